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
)  # fmt: skip
