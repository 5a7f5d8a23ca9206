"""Mutants of the line to a server: silence, poolers, standbys, and Ctrl-C."""

from tests.mutants.mutant import APPLYING, STORES, Mutant

__all__ = ["LINES"]

LINE, SILENCE, PRESSED = (
    STORES + "postgres_line.py",
    "tests/stores/test_silence.py",
    "tests/stores/test_pressed.py",
)
TALK, TALKS = STORES + "conversation.py", "tests/stores/test_conversation.py"
WAITED = f"{SILENCE}::test_a_long_statement_is_waited_for"
BEHIND = f"{SILENCE}::test_behind_a_pooler"
LEFT = f"{SILENCE}::test_who_waits_for_us_is_ended_and_we_hear_that_it_is_lost"
LINES = (
    Mutant(
        "silence alone is taken for a loss",
        ((LINE, "                if row and row[0]:\n                    return 0\n", ""),),
        (WAITED,),
        "== 'done (False,)'",
    ),
    Mutant(
        "one doubt is enough",
        ((LINE, "doubts >= QUESTIONS", "doubts >= 1"),),
        (f"{SILENCE}::test_one_doubt_is_none",),
        "assert 'ReadError' == 'done (False,)'",
    ),
    Mutant(
        "a server that waits for us counts as at work",
        ((LINE, "AND wait_event_type IS DISTINCT FROM 'Client')", "AND wait_event_type IS NOT NULL)"),),
        (LEFT,),
        "assert 'it waits for ever' == 'WriteError'",
    ),
    Mutant(
        "a server that waits for us goes on to hold its locks",
        ((LINE, "                if last:\n", "                if last and self.at is None:\n"),),
        (LEFT,),
        "holds its locks for ever",
    ),
    Mutant(
        "a process of the server is known by its number alone",
        ((LINE, "pid = %s AND extract(epoch FROM xact_start) = %s", "pid = %s AND extract(epoch FROM xact_start) IS DISTINCT FROM %s * 0"),),
        (f"{SILENCE}::test_a_process_that_serves_somebody_else_by_now_is_not_ours",),
        "somebody else's work was taken for ours",
    ),
    Mutant(
        "a server without room for a question is taken for dead",
        ((LINE, "return 0 if _is_full(problem) else 1", "return 1"),),
        (f"{SILENCE}::test_a_server_without_room_is_alive",),
        "assert 'ReadError' == 'done (False,)'",
    ),
    Mutant(
        "a pooler without a place for a question is taken for dead",
        ((LINE, "NO_PLACE = 0.25", "NO_PLACE = 1.0"),),
        (BEHIND,),
        "assert 'ReadError' == 'done (False,)'",
    ),
    Mutant(
        "a Ctrl-C that SQLite swallowed while it read is an error of the file",
        ((STORES + "sqlite.py", 'if str(error) == "interrupted" and not self._stopped:', "if self._stopped:"),),
        (f"{PRESSED}::test_sqlite_swallows_none_that_comes_while_it_reads",),
        "== 'KeyboardInterrupt'",
    ),
    Mutant(
        "a Ctrl-C that SQLite swallowed while it wrote is an error of the file",
        ((STORES + "sqlite_writer.py", 'if str(error) == "interrupted" and not self._stopped:', "if self._stopped:"),),
        (f"{PRESSED}::test_sqlite_swallows_none_that_comes_while_it_writes",),
        "== 'KeyboardInterrupt'",
    ),
    Mutant(
        "a Ctrl-C is told as a full disk",
        ((STORES + "sqlite_writer.py", "if isinstance(problem, Exception):  # a Ctrl-C stays one", "if problem:"),),
        (f"{PRESSED}::test_one_that_comes_when_the_transaction_is_over_stays_one",),
        "assert 'WriteError' == 'KeyboardInterrupt'",
    ),
    Mutant(
        "a Ctrl-C leaves the connection of a snapshot open",
        ((STORES + "postgres.py", "            keep(self.parameters, connection)\n        except BaseException:", "            keep(self.parameters, connection)\n        except Exception:"),),
        (f"{PRESSED}::test_a_connection_is_closed_by_one",),
        "== [True, True]",
    ),
    Mutant(
        "a Ctrl-C leaves a connection open that has hardly begun",
        ((STORES + "postgres.py", "        return begin(connection)\n    except BaseException:", "        return begin(connection)\n    except Exception:"),),
        (f"{PRESSED}::test_a_connection_is_closed_by_one",),
        "== [True, True]",
    ),
    Mutant(
        "what a Ctrl-C left open outlives its verb",
        ((TALK, "in (*self.waiting.values(), *self.opened):", "in (*self.waiting.values(),):"),),
        (f"{TALKS}::test_what_is_left_open_ends_with_its_verb",),
        "assert (False, 1) == (True, 0)",
    ),
    Mutant(
        "a Ctrl-C just as connections are closed leaves them open",
        ((TALK, "            lines.close()  # it may", "            pass  # it may"),),
        (f"{TALKS}::test_what_is_left_open_ends_with_its_verb",),
        "assert ([True, False], 1) == ",
    ),
    Mutant(
        "a forked process speaks on the line of its parent",
        ((TALK, "        if self.process == os.getpid():\n", "        if self.process:\n"),),
        (f"{TALKS}::test_a_fork_does_not_speak_on_its_parents_line",),
        "assert 2 == 1",
    ),
    Mutant(
        "a standby is told as a database that refuses",
        ((STORES + "postgres_session.py", "    return bool(row and row[0])\n", "    return not row\n"),),
        ("tests/stores/test_standby.py::test_a_standby_is_read_and_never_written",),
        "is a standby",
    ),
    Mutant(
        "a connection that was told to cancel is used again",
        ((STORES + "postgres.py", "            if self._interrupted:  # the cancel", "            if not self:  # the cancel"),),
        (f"{TALKS}::test_what_ended_badly_is_not_taken_over[a cancel]",),
        "assert 1 == 2",
    ),
    Mutant(
        "a Ctrl-C while rows are written is told to nobody",
        ((APPLYING + "verb.py", "except BaseException as problem:", "except Exception as problem:"),),
        ("tests/faults/test_process.py::test_an_interrupt_while_the_server_works[handled]",),
        "what happened",
    ),
    Mutant(
        "a pooler loses its connections to who goes before the answer",
        ((STORES + "postgres.py", "        if open_ and not self.server.pooled:\n", "        if open_:\n"),),
        ("tests/stores/test_postgres_errors.py::test_a_pooler_keeps_the_connections_behind_it",),
        "the pooler lost its connections",
    ),
    Mutant(
        "a connection is taken over before its last transaction is over",
        ((TALK, "        if _has_left(connection) and _is_silent(connection):", "        if _is_silent(connection):"),),
        (f"{TALKS}::test_a_verb_opens_one_connection_and_closes_it",),
        "== 1",
    ),
    Mutant(
        "a slow beginning explains any distance of the clocks",
        ((STORES + "postgres_clock.py", "    if after - before > LONG:\n        return None\n", ""),),
        ("tests/stores/test_postgres.py::test_how_far_the_clocks_are_apart[asked, where that took long]",),
        "assert 0 == (3 * True)",
    ),
    Mutant(
        "the catalogue waits for whoever locks a table",
        ((STORES + "postgres_counts.py", '    or_empty="",\n', '    or_empty="OR pg_relation_size(c.oid) = 0",\n'),),
        ("tests/stores/test_postgres_catalogue.py::test_what_is_counted_is_known_from_the_catalogue_and_nobody_waits_for_a_lock",),
        "the catalogue",
    ),
    Mutant(
        "a server whose answer nobody wants any more is waited for",
        (("syncnb/comparing/catalogues.py", "                there.interrupt()\n", ""),),
        ("tests/test_diffing.py::TestSnapshot::test_where_one_catalogue_fails_the_other_is_not_waited_for[KeyboardInterrupt()]",),
        "< 10",
    ),
)  # fmt: skip
