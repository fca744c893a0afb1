"""What stands between the boundary and the author: the guard, the resources, the log and fetch."""

import json
import logging
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from . import stand_in
from .stand_in import Err
from plugwork_guest import Analyzer, Batch, Chart, DataSource, Denied, Exporter, Invalid, Table, Unavailable, Visualization, fetch, log
from plugwork_guest.inside import adapters
from plugwork_guest.inside.guard import guarded
from plugwork_guest.inside.values import check

adapters.Analysis.Finding = stand_in.Finding
adapters.Drawing.Chart = stand_in.ChartRecord


def caught(function: Any, declared: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return guarded(function, declared, **kwargs)(*args)
    except Err as refused:
        return refused.value


class Guard(unittest.TestCase):
    def fail(self, cause: BaseException) -> Any:  # type: ignore[override]
        def work() -> None:
            raise cause

        return caught(work, stand_in.Analyzer.start)

    def test_an_exception_becomes_other_with_message_and_stack(self) -> None:
        problem = self.fail(ValueError("two\nlines")).value
        self.assertEqual(problem.message, "ValueError: two lines")
        self.assertIn("in work\n    raise cause\n", problem.stack)
        self.assertNotIn("inside/guard.py", problem.stack)

    def test_the_three_refusals_keep_their_case(self) -> None:
        self.assertEqual(vars(self.fail(Invalid("w", "/a", "e")).value), {"what": "w", "at": "/a", "expected": "e"})
        self.assertEqual(self.fail(Denied("c", "p", "r", "h")).value.permission, "p")
        self.assertEqual(self.fail(Unavailable("later")).value, "later")

    def test_an_exit_and_an_interrupt_do_not_leave(self) -> None:
        for cause in (SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError()):
            self.assertIn(type(cause).__name__, self.fail(cause).value.message)

    def test_an_exception_that_cannot_be_written_keeps_its_name(self) -> None:
        class Broken(Exception):
            def __str__(self) -> str:
                raise ValueError("no")

        self.assertEqual(self.fail(Broken()).value.message, "Broken")

    def test_a_text_error_is_the_message(self) -> None:
        self.assertTrue(caught(lambda: {}["a"], stand_in.Analyzer.worded).startswith("KeyError: 'a'\n"))

    def test_without_an_error_type_last_words_are_said(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            guarded(lambda: 1 / 0, stand_in.Analyzer.plain)()
        self.assertEqual(stand_in.words[-1][0], "ZeroDivisionError: division by zero")

    def test_calls_between_an_authors_methods_see_real_exceptions(self) -> None:
        inner = guarded(lambda: 1 / 0, stand_in.Analyzer.start)

        def outer() -> str:
            try:
                return str(inner())
            except ZeroDivisionError:
                return "seen"

        self.assertEqual(caught(outer, stand_in.Analyzer.start), "seen")

    def test_a_value_of_the_wrong_type_is_refused_before_the_boundary(self) -> None:
        self.assertIn("expected a str", caught(lambda: 3, stand_in.Analyzer.worded, own=True))
        self.assertIsNone(caught(lambda: None, stand_in.Analyzer.worded, own=True))


class Values(unittest.TestCase):
    def test_the_place_inside_a_value_is_named(self) -> None:
        @dataclass
        class Part:
            names: list[str]
            size: Optional[int]

        check([Part(["a"], None)], list[Part], "it")
        with self.assertRaisesRegex(TypeError, r"it\[0\].names\[1\] is int"):
            check([Part(["a", 3], 1)], list[Part], "it")  # type: ignore[list-item]
        with self.assertRaisesRegex(TypeError, "it is bool"):
            check(True, int, "it")


class Counting(Analyzer):
    def __init__(self, options: dict[str, Any]) -> None:
        self.rows = 0

    def push(self, batch: Batch) -> None:
        if batch.rows == 3:
            raise Invalid("three")
        self.rows += batch.rows

    def finish(self) -> Iterator[Table]:
        yield Table.from_columns("count", {"rows": [self.rows]})
        yield Table.from_columns("many", {"x": list(range(9000))})


def crossed(rows: int) -> Any:
    return adapters.outgoing(Batch.from_columns({"x": list(range(rows))}, {"x": "int64"}))


class Resources(unittest.TestCase):
    def test_findings_come_batch_by_batch_then_none_for_ever(self) -> None:
        analysis = adapters.Analysis(Counting({}))
        analysis.push(crossed(2))
        parts = [analysis.next() for _ in range(5)]
        self.assertEqual([part and (part.table, part.batch.rows) for part in parts],
                         [("count", 1), ("many", 8192), ("many", 808), None, None])

    def test_a_push_after_next_and_a_call_after_a_refusal_are_invalid(self) -> None:
        late = adapters.Analysis(Counting({}))
        late.next()
        with self.assertRaises(Invalid):
            late.push(crossed(1))
        refused = adapters.Analysis(Counting({}))
        with self.assertRaisesRegex(Invalid, "three"):
            refused.push(crossed(3))
        with self.assertRaisesRegex(Invalid, "finished"):
            refused.next()

    def test_a_bad_or_repeated_table_name_is_refused(self) -> None:
        class Twice(Counting):
            names = ["a", "a"]

            def finish(self) -> Iterator[Table]:
                return (Table.from_columns(name, {"x": [1]}) for name in self.names)

        analysis = adapters.Analysis(Twice({}))
        analysis.next()
        with self.assertRaisesRegex(ValueError, "unique"):
            analysis.next()
        Twice.names = ["A b"]
        with self.assertRaisesRegex(ValueError, "cannot be the name"):
            adapters.Analysis(Twice({})).next()

    def test_a_source_that_changes_its_columns_is_stopped(self) -> None:
        class Changing(DataSource):
            def read(self) -> Iterator[Batch]:
                yield Batch.from_columns({"x": [1]})
                yield Batch.from_columns({"x": [1.5]})

        cursor = adapters.Cursor(Changing({}))
        cursor.next()
        with self.assertRaisesRegex(TypeError, "name `types`"):
            cursor.next()

    def test_a_source_without_any_part_is_told_to_yield_an_empty_one(self) -> None:
        class Silent(DataSource):
            def read(self) -> Iterator[Batch]:
                yield from ()

        with self.assertRaisesRegex(TypeError, "without rows"):
            adapters.Cursor(Silent({})).next()

    def test_an_exporter_may_write_text(self) -> None:
        class Lines(Exporter):
            def push(self, batch: Batch) -> str:
                return f"é{batch.rows}\n"

        writer = adapters.Writer(Lines({}))
        self.assertEqual((writer.push(crossed(2)), writer.finish()), ("é2\n".encode(), b""))
        with self.assertRaises(Invalid):
            writer.finish()

    def test_a_chart_carries_title_and_description_in_its_specification(self) -> None:
        class One(Visualization):
            def push(self, table: str, batch: Batch) -> None: ...

            def finish(self) -> list[Chart]:
                return [Chart("a", "A", "what it shows", {"mark": "bar"})]

        (chart,) = adapters.Drawing(One({})).finish()
        self.assertEqual(json.loads(chart.body)["description"], "what it shows")
        self.assertEqual(chart.media_type, "application/vnd.vegalite.v6+json")

    def test_a_chart_with_a_value_that_json_lacks_is_refused(self) -> None:
        class Bad(Visualization):
            def finish(self) -> list[Chart]:
                return [Chart("a", "A", "d", {"x": float("nan")})]

        with self.assertRaises(ValueError):
            adapters.Drawing(Bad({})).finish()

    def test_a_batch_past_the_limit_is_invalid(self) -> None:
        self.assertEqual(adapters.outgoing(Batch.from_columns({"x": [0] * 8192})).rows, 8192)
        with self.assertRaises(Invalid):
            adapters.outgoing(Batch(8193, []))


class Log(unittest.TestCase):
    def setUp(self) -> None:
        log.open_gate()
        stand_in.records.clear()

    def test_each_printed_line_is_a_record_and_the_rest_waits_for_flush(self) -> None:
        stream = log.Stream("info")
        print("a\nb", file=stream)
        print("c", end="", file=stream)
        self.assertEqual(stand_in.records, [("info", "a"), ("info", "b")])
        stream.flush()
        self.assertEqual(stand_in.records[2:], [("info", "c")])

    def test_logging_keeps_its_levels_and_names(self) -> None:
        logger = logging.Logger("mine")
        logger.addHandler(log.Handler())
        logger.error("x %d", 1)
        logger.debug("y")
        self.assertEqual(stand_in.records, [("error", "mine: x 1"), ("debug", "mine: y")])

    def test_text_that_is_not_unicode_is_replaced(self) -> None:
        log.info("\ud800")
        self.assertEqual(stand_in.records, [("info", "?")])


class Fetch(unittest.TestCase):
    def answer(self, result: Any) -> Any:
        stand_in.fetch.send_all = lambda requests: [result]  # type: ignore[attr-defined]
        return fetch.get("http://localhost/", {"accept": "text/plain"})

    def test_a_response_has_headers_in_any_case(self) -> None:
        raw = stand_in.fetch.Response(404, [stand_in.fetch.Header("Content-Type", "a")], b"{}")
        response = self.answer(stand_in.Ok(raw))
        self.assertEqual((response.status, response.header("content-type"), response.json()), (404, "a", {}))

    def test_a_denial_of_the_host_is_denied(self) -> None:
        denial = stand_in.refusal.Refusal_Denied(stand_in.refusal.Denial("E", "p", "r", "h"))
        with self.assertRaises(Denied) as caught_one:
            self.answer(Err(denial))
        self.assertEqual(caught_one.exception.hint, "h")
