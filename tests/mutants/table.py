"""The mutants: what is broken, which test must fail on it, and by which words."""

from tests.mutants.lines import LINES
from tests.mutants.mutant import APPLYING, JOURNAL, STORES, Mutant

__all__ = ["CHEAP", "MUTANTS", "Mutant"]

WRITING, RUNNING, KEEPING = APPLYING + "writing.py", APPLYING + "running.py", APPLYING + "keeping.py"
STAGING, WRITER = STORES + "postgres_staging.py", STORES + "postgres_writer.py"
BY_TIME = "syncnb/resolving/by_time.py"

REPAIR, NETS, WRITERS = "tests/test_repair.py", "tests/test_nets.py", "tests/stores/test_writers.py"
HOSTILE = "tests/test_hostile.py"
DRIFTED = f"{REPAIR}::TestRefusals::test_a_row_that_drifted_is_refused_and_nothing_is_written"
UNDONE = f"{NETS}::test_an_undo_puts_back_every_value_and_its_storage_class"
LOST = f"{NETS}::test_a_lost_answer_gets_the_true_verdict"

NO_LOOK = (WRITING, "        for at in unlike(wanted, found):\n            old, new =", "        for at in ():\n            old, new =")  # fmt: skip
NO_GUARD = 'where = " AND ".join([self._matched(), *self._guards()])\n        if block.verb == "delete":'
BARE = 'where = self._matched()\n        if block.verb == "delete":'

GUARDS = (
    Mutant(
        "no guard at all, PostgreSQL",
        (NO_LOOK, (STAGING, NO_GUARD, BARE)),
        (f"{DRIFTED}[changed-postgresql]",),
        "'applied' == 'refused'",
    ),
    Mutant(
        "no guard at all, SQLite",
        (NO_LOOK, (STORES + "sqlite_staging.py", NO_GUARD, BARE)),
        (f"{DRIFTED}[changed-sqlite]",),
        "'applied' == 'refused'",
    ),
    Mutant(
        "no guard in the statement of PostgreSQL",
        ((STAGING, NO_GUARD, BARE),),
        (f"{NETS}::test_the_statement_itself_is_guarded[postgresql]",),
        "assert",
    ),
    Mutant(
        "no guard in the statement of SQLite",
        ((STORES + "sqlite_staging.py", NO_GUARD, BARE),),
        (f"{NETS}::test_the_statement_itself_is_guarded[sqlite]",),
        "assert",
    ),
    Mutant(
        "rows are not locked when they are looked at",
        ((STAGING, "FOR UPDATE OF t\"\n        return copy_out(query, self.table)", "\"\n        return copy_out(query, self.table)"),),
        (f"{WRITERS}::test_rows_are_locked_when_they_are_shown",),
        "DID NOT RAISE LockNotAvailable",
    ),
    Mutant(
        "REPLACE instead of a plain insert",
        ((STORES + "sqlite_staging.py", 'f"INSERT OR ABORT INTO', 'f"INSERT OR REPLACE INTO'),),
        (f"{DRIFTED}[unique value taken-sqlite]",),
        "'applied' == 'refused'",
    ),
    Mutant(
        "a key that is staged twice is written once",
        ((STORES + "staging.py", "if twice := len(block) - _distinct(block.keys):", "if twice := 0:"),),
        (f"{WRITERS}::test_blocks_that_are_refused[sqlite-a key that comes twice]",),
        "DID NOT RAISE",
    ),
    Mutant(
        "the number of written rows is compared, not the set of their keys",
        ((WRITING, "if (times != 1).any():", "if after.num_rows != len(block):"),),
        (f"{NETS}::test_written_keys_are_compared_as_a_set_and_not_by_their_number",),
        "== ('refused', [])",
    ),
    Mutant(
        "written rows are not read again",
        ((WRITING, "if judge(rule, old, new) is not Answer.SAME:", "if False:"),),
        (f"{REPAIR}::TestTriggers::test_another_column_that_a_trigger_changes_is_a_hazard",),
        "DID NOT RAISE",
    ),
    Mutant(
        "a table that was altered since is written",
        ((APPLYING + "checking.py", "if found is None or fingerprint(found) != wanted:", "if found is None:"),),
        (f"{REPAIR}::TestRefusals::test_a_table_that_changed_since_the_plan[sqlite]",),
        "DID NOT RAISE",
    ),
    Mutant(
        "a plan is applied to any database",
        ((APPLYING + "checking.py", "if (here.dialect, here.id) != (plan.target.dialect, plan.target.id):", "if False:"),),
        (f"{NETS}::test_a_plan_is_for_one_database",),
        "DID NOT RAISE",
    ),
    Mutant(
        "hazards need no word",
        ((APPLYING + "checking.py", "    if open_ones:", "    if False:"),),
        (f"{REPAIR}::TestRefusals::test_hazards_must_be_allowed_by_name[sqlite]",),
        "DID NOT RAISE",
    ),
    Mutant(
        "rows are deleted that nobody asked to delete",
        (("syncnb/planning/table_drawing.py", 'f"only in {self.side}", kept=None if deletes else how)', 'f"only in {self.side}", kept=None)'),),
        (f"{REPAIR}::TestRefusals::test_no_side_wins_by_default[sqlite]",),
        "('delete', 1)",
    ),
    Mutant(
        "rows that row-level security hides are deleted",
        (("syncnb/planning/table_drawing.py", '"row-level security may hide them in the source" if source.row_security else "",', '"",'),),
        (f"{REPAIR}::TestNothingIsLostUnseen::test_rows_that_the_source_hides_are_not_deleted",),
        "assert",
    ),
    Mutant(
        "what follows a delete is not kept",
        ((RUNNING, "found.followed = followers.images() if found.written else []", "found.followed = []"),),
        ("tests/test_following.py::TestBothEngines::test_what_goes_with_a_delete_comes_back[sqlite]",),
        "assert",
    ),
    Mutant(
        "a saved plan is not checked",
        (("syncnb/planning/files.py", 'if said != digest(content) or data != canonical({**content, "hash": said}) + b"\\n":', "if said is None:"),),
        (f"{REPAIR}::TestFiles::test_one_changed_byte_is_refused[sqlite]",),
        "DID NOT RAISE",
    ),
)  # fmt: skip

RUNS = (
    Mutant(
        "no journal",
        ((KEEPING, "        _store(writer, run, images, maps)\n", ""),),
        (f"{UNDONE}[sqlite]",),
        "== ('applied', {",
    ),
    Mutant(
        "the image before is taken after the write",
        ((WRITING, 'done.image = _image(work, before if block.verb == "update" else None, after)', 'done.image = _image(work, after if block.verb == "update" else None, after)'),),
        (f"{UNDONE}[sqlite]",),
        "== ('applied', {",
    ),
    Mutant(
        "the run's row says success before anything is written",
        ((KEEPING, '        journal.finish_run(writer.sql, run, status="success", counts=totals_of(report), report=report)\n        reach("marked")',
          '        with self.books.writing() as book:\n'
          '            journal.finish_run(book.sql, run, status="success", counts=totals_of(report), report=report)\n'
          '            book.commit()'),),
        (f"{NETS}::test_a_commit_that_is_refused_is_no_success",),
        "assert 'success' == 'failed'",
    ),
    Mutant(
        "no marker",
        ((KEEPING, "        journal.mark(writer.sql, report.plan_id, STAGE, run)\n        _store", "        _store"),),
        (f"{UNDONE}[sqlite]", f"{UNDONE}[postgresql]"),
        "== 'already applied'",
    ),
    Mutant(
        "the marker is read without the lock",
        ((RUNNING, "            writer.lock(self.plan.id)\n            stored = self.keeper", "            stored = self.keeper"),),
        (f"{NETS}::test_who_applies_a_plan_waits_for_whoever_is_at_it",),
        "it went on while somebody else had the plan's lock",
    ),
    Mutant(
        "a lost answer is settled without the lock",
        ((RUNNING, "                    writer.lock(self.plan.id, seconds=max(1.0, until - time.monotonic()))\n", ""),),
        (f"{LOST}[at it]",),
        "== ('applied',",
    ),
    Mutant(
        "recovery assumes success",
        ((KEEPING, '        if found is None:\n            return "aborted"\n', '        if found is None:\n            return Report(plan_id, None, "applied", guarantee=self.guarantee)\n'),),
        (f"{LOST}[before]",),
        "('applied', {1: 'old'}) ==",
    ),
    Mutant(
        "recovery assumes failure",
        ((KEEPING, '        if found is None:\n            return "aborted"\n', '        if True:\n            return "aborted"\n'),),
        (f"{LOST}[after]",),
        "== ('applied',",
    ),
    Mutant(
        "a run that was left is called a success",
        ((JOURNAL + "recording.py", "if len(done) >= stages and done[-1] == run:", "if True:"),),
        ("tests/test_journal.py::test_a_run_that_was_left_is_settled_by_its_markers[sqlite-not marked]",),
        "assert 'success' == 'failed'",
    ),
    Mutant(
        "a run is settled while its backend is at it",
        ((JOURNAL + "recording.py", "    return bool(connection.scalar(select(func.pg_catalog.pg_try_advisory_xact_lock(name))))", "    return True or name"),),
        ("tests/test_journal.py::test_a_run_whose_plan_is_still_locked_is_left_alone",),
        "assert [",
    ),
    Mutant(
        "a transaction that had failed counts as committed",
        ((WRITER, 'if answer != "COMMIT":', "if answer is None:"),),
        (f"{WRITERS}::test_a_statement_that_failed_makes_commit_fail",),
        "DID NOT RAISE",
    ),
    Mutant(
        "a failure hides a success",
        ((JOURNAL + "recording.py", '    if status != "success":\n        wanted &= ', '    if status == "":\n        wanted &= '),),
        ("tests/test_journal.py::test_the_last_word_is_the_true_one",),
        "== 'success'",
    ),
    Mutant(
        "the same repair after an undo is the same plan",
        (("syncnb/planning/files.py", '        "after_run": plan.after_run,\n', '        "after_run": 0,\n'),),
        ("tests/test_outside.py::test_the_whole_way_and_back",),
        "!=",
    ),
    Mutant(
        "the local journal knows of a COMMIT only after it",
        ((KEEPING, "                journal.keep_intent(book.sql, run, transaction, report)\n                book.commit()  # on disk, not only sent there: SQLite waits for it\n", ""),),
        ("tests/test_outside.py::test_a_killed_run_is_settled_at_the_next_start[after-commit]",),
        "assert",
    ),
)  # fmt: skip

DIGESTS = (
    Mutant(
        "hashes of rows are XORed, not added",
        (("syncnb/values/digests.py", 'self._sums += np.frombuffer(hashes, "<u8").reshape(-1, 2).sum(axis=0, dtype=np.uint64)', 'self._sums ^= np.bitwise_xor.reduce(np.frombuffer(hashes, "<u8").reshape(-1, 2), axis=0)'),),
        ("tests/test_digests.py::test_other_rows_have_another_digest[two rows twice]",),
        "assert '2:",
    ),
    Mutant(
        "a delimiter instead of lengths, digests of tables",
        (("syncnb/values/digests.py", 'pc.binary_join_element_wise(pa.scalar(letter.encode(), BYTES), lengths, MARK, values, NOTHING)', 'pc.binary_join_element_wise(pa.scalar(letter.encode(), BYTES), MARK, values, NOTHING)'),),
        ("tests/test_digests.py::test_other_rows_have_another_digest[a delimiter within a value]",),
        "assert '1:",
    ),
    Mutant(
        "NULL is as good as nothing, digests of a merge",
        (("syncnb/values/images.py", "            found |= mask.astype(np.uint32) << np.uint32(at)\n", "            found |= np.uint32(0)\n"),
         (STORES + "postgres_images.py", 'IS NULL" if column.nullable else ""', 'IS NULL" if not column else ""')),
        (f"{NETS}::test_values_that_touch_are_not_one_value",),
        "assert",
    ),
    Mutant(
        "whole numbers by the hash that folds them",
        (("syncnb/values/hashing_by_numpy.py", "    if whole:\n", "    if not len(hashes):\n"),
         (STORES + "postgres_images.py", "if whole else seed})", "if not number else seed})")),
        ("tests/test_strategies.py::test_numbers_that_one_hash_cannot_tell_apart",),
        "assert",
    ),
    Mutant(
        "values that are not of their form count as nothing",
        (("syncnb/values/images.py", "        odd |= cell.odd\n", ""),),
        ("tests/test_images.py::test_what_is_odd_is_said",),
        "what is no text",
    ),
    Mutant(
        "sums of hashes without the number of rows",
        ((STORES + "row_digests.py", "return self.rows - len(hashes[0]), ", "return 0, "), (STORES + "row_digests.py", "COUNTED = 2_654_435_761", "COUNTED = 0")),
        (f"{NETS}::test_a_blind_hash_hides_no_difference[no hash tells anything]",),
        "== ('different', 1)",
    ),
    Mutant(
        "sums of half a hash",
        ((STORES + "row_digests.py", "self.first ^ first, self.second ^ second", "(self.first ^ first) >> HALF, (self.second ^ second) >> HALF"),),
        (f"{NETS}::test_a_blind_hash_hides_no_difference[only the lower half of a hash tells anything]",),
        "== ('different', 1)",
    ),
    Mutant(
        "no second seed",
        (("syncnb/comparing/digesting.py", "SEEDS = (7_640_891_576_956_012_809, -4_942_790_177_534_073_029, 3_238_736_544_897_475_342)", "SEEDS = (7_640_891_576_956_012_809, -4_942_790_177_534_073_029, -4_942_790_177_534_073_029)"),),
        ("tests/test_strategies.py::TestCollisions::test_of_rows",),
        "assert",
    ),
    Mutant(
        "a hash that is not PostgreSQL's",
        (("syncnb/values/hashing_by_numpy.py", 'halves["high"], halves["low"] = state["b"], state["c"]', 'halves["high"], halves["low"] = state["b"], state["a"]'),),
        ("tests/test_images.py::test_hashes_are_those_of_postgresql[numpy]",),
        "assert",
    ),
    Mutant(
        "no snapshot between digests and the rows that are read after them",
        ((STORES + "postgres_session.py", 'BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"', 'BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY"'),
         (STORES + "postgres_session.py", "row is None or not (row[5] and row[6])", "row is None or not row[5]")),
        ("tests/test_strategies.py::test_both_sides_are_written_to_meanwhile[SQLite, PostgreSQL-integer]",),
        "assert",
    ),
)  # fmt: skip

DECISIONS = (
    Mutant(
        "a declared zone is ignored in newest",
        ((BY_TIME, "text, zone = arrays.become(array, pa.string()), rule.zone(side)", 'text, zone = arrays.become(array, pa.string()), "UTC"'),),
        ("tests/test_resolving.py::TestZones::test_a_declared_zone_makes_a_wall_clock_a_moment",),
        "newer in local by 2 h",
    ),
    Mutant(
        "an offset is ignored in newest",
        ((BY_TIME, "        return stamp.instant.micros, State.INSTANT", "        return stamp.micros, State.INSTANT"),
         (BY_TIME, "    quick = _column(rule, array, side)\n", "    quick = None\n")),
        ("tests/test_resolving.py::test_newest[as is-SQLite, SQLite]",),
        "local by 4 h",
    ),
    Mutant(
        "a stamp just before another is newer",
        ((BY_TIME, "(np.abs(self.micros) >= self.limit)", "(np.abs(self.micros) >= 0)"),),
        ("tests/test_resolving.py::test_newest[as is-SQLite, SQLite]",),
        "1.5 seconds",
    ),
    Mutant(
        "a stamp of the future is believed",
        ((BY_TIME, 'return self.comparable & ~self.ahead["local"] & ~self.ahead["remote"]', "return self.comparable"),),
        ("tests/test_resolving.py::test_newest[as is-SQLite, SQLite]",),
        "('in the futu",
    ),
    Mutant(
        "an acknowledgement takes what was touched since",
        ((STORES + "sqlite_pending.py", "AND {same} AND seq <= ?", "AND {same} AND seq >= -?"),),
        ("tests/tracking/test_capture.py::test_an_acknowledgement_takes_only_what_was_seen",),
        "== [(2,)]",
    ),
    Mutant(
        "a sequence is set back",
        ((STORES + "postgres_sequences.py", "if (done := min(steps, within)) <= 0:", "if (done := min(steps, within)) == 0:"), (STORES + "postgres_sequences.py", "    if steps <= STEPS:\n", "    if steps < 0:\n")),
        (f"{WRITERS}::test_sequences_are_set_forward[never back]",),
        "is None",
    ),
)  # fmt: skip

SHOWN = (
    Mutant(
        "HTML of values is not escaped",
        (("syncnb/rendering/tables.py", "{title}>{html.escape(cell.short)}</td>", "{title}>{cell.short}</td>"),),
        (f"{HOSTILE}::test_nothing_hostile_is_run[tag-sqlite]",),
        "<img>",
    ),
    Mutant(
        "HTML of headings is not escaped",
        (("syncnb/rendering/tables.py", "<th scope='col'>{html.escape(visible(header))}</th>", "<th scope='col'>{visible(header)}</th>"),),
        (f"{HOSTILE}::test_every_part_of_a_sheet_is_escaped",),
        "<img>",
    ),
    Mutant(
        "HTML of titles is not escaped",
        (("syncnb/rendering/tables.py", "<p class='title'>{html.escape(visible(self.title))}</p>", "<p class='title'>{visible(self.title)}</p>"),),
        (f"{HOSTILE}::test_nothing_hostile_is_run[tag-sqlite]",),
        "<img>",
    ),
    Mutant(
        "quotes in names are not doubled",
        (("syncnb/stores/sqlite_queries.py", "quote = sqlite_dialect().identifier_preparer.quote_identifier", 'quote = \'"{}"\'.format'),),
        (f"{HOSTILE}::test_nothing_hostile_is_run[semicolon-sqlite]",),
        "DROP TABLE victim",
    ),
    Mutant(
        "percent signs of the catalogue are placeholders",
        ((STORES + "postgres_text.py", 'return query.replace("%", "%%").replace(VALUE, "%s")', 'return query.replace(VALUE, "%s")'),),
        ("tests/diagnosing/test_rows.py::test_percent_signs_of_the_catalogue_are_no_placeholders[postgresql]",),
        "placeholder",
    ),
    Mutant(
        "a store shows its address with the password",
        ((STORES + "postgres.py", 'return f"PostgresStore({self.name} on {host}{role},', 'return f"PostgresStore({self.name} on {host}{role} {dict(self.parameters)},'),),
        ("tests/stores/test_postgres_errors.py::test_no_view_of_a_store_shows_its_password",),
        "assert not [",
    ),
    Mutant(
        "a reader may write",
        ((STORES + "postgres_session.py", 'BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"', 'BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ WRITE"'),
         (STORES + "postgres_session.py", "row is None or not (row[5] and row[6])", "row is None or not row[6]")),
        ("tests/stores/test_postgres.py::test_the_server_refuses_a_write",),
        "DID NOT RAISE ReadError",
    ),
)  # fmt: skip

REKEYING, EXCHANGED = "syncnb/planning/rekeying.py", "tests/test_exchanges.py::test_values_are_exchanged"
KEPT = "tests/test_identity.py::test_a_kept_collision_does_not_come_back_and_its_children_follow"
MEANWHILE = "tests/test_syncing.py::test_an_edit_while_a_sync_is_at_it_is_passed_on_by_the_next"
IDS = (
    Mutant(
        "an arriving row gets an id that is taken",
        ((REKEYING, "first = self.greatest(pair) + 1", "first = self.greatest(pair)"),),
        (KEPT,),
        "assert",
    ),
    Mutant(
        "children stay with the id that is another thing there",
        ((REKEYING, "        return self._replaced(link.parent, parent, column.rule, values)", "        return values, {}"),),
        (KEPT,),
        "(7, '::1')",
    ),
    Mutant(
        "rows that exchange values are not parked",
        (("syncnb/planning/exchanging.py", "[*turns.parked_blocks(), *turns.ranked()]", "[*turns.ranked()]"),),
        (f"{EXCHANGED}[two rows-sqlite-as written]",),
        "assert",
    ),
    Mutant(
        "what a sync wrote before it died is not what both agreed on",
        (("syncnb/syncing/running.py", "                if mark is not None:\n                    advance(", "                if False:\n                    advance("),),
        (f"{MEANWHILE}[dies-SQLite]",),
        "assert",
    ),
    Mutant(
        "what was changed while a sync was at it is what both agreed on",
        (("syncnb/syncing/passing.py", "told = {self.into: written.after[at], self.source: then[at]}", "told = {side: now[at][row] for side in SIDES}"),),
        (f"{MEANWHILE}[goes on-SQLite]",),
        "assert",
    ),
    Mutant(
        "a row of which both sides changed cells is one side's as a whole",
        (("syncnb/resolving/merging.py", "np.where(ours, 1, np.where(theirs, -1, 0))", "np.where(ours.any(axis=1)[:, None], 1, np.where(theirs, -1, 0))"),),
        ("tests/test_threeway.py::test_with_a_base[3 different columns-PostgreSQL-as is]",),
        "assert",
    ),
    Mutant(
        "a row that is left open is acknowledged",
        (("syncnb/syncing/running.py", "acknowledge_in(writer, self.backlog.pending, done)", "acknowledge_in(writer, self.backlog.pending, None)"),),
        ("tests/test_syncing.py::test_a_row_left_open_that_the_log_knows_needs_no_audit",),
        "assert",
    ),
    Mutant(
        "an interrupt as a sync begins is told to nobody",
        (("syncnb/syncing/running.py", "            with last_words():\n                failed(keeper, number, problem)\n", ""),),
        ("tests/test_syncing.py::test_a_sync_that_is_interrupted_as_it_begins_has_failed",),
        "running",
    ),
)  # fmt: skip

MUTANTS = (*GUARDS, *RUNS, *DIGESTS, *DECISIONS, *SHOWN, *IDS, *LINES)

CHEAP = (
    "no guard at all, SQLite",
    "no guard in the statement of PostgreSQL",
    "REPLACE instead of a plain insert",
    "the number of written rows is compared, not the set of their keys",
    "a key that is staged twice is written once",
    "no journal",
    "no marker",
    "the marker is read without the lock",
    "recovery assumes success",
    "a run that was left is called a success",
    "hashes of rows are XORed, not added",
    "a delimiter instead of lengths, digests of tables",
    "sums of hashes without the number of rows",
    "sums of half a hash",
    "no second seed",
    "no snapshot between digests and the rows that are read after them",
    "a sequence is set back",
    "a declared zone is ignored in newest",
    "HTML of values is not escaped",
    "a store shows its address with the password",
)
"""Those that the suite plants at each run."""
