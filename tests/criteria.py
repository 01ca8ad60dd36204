"""Makes the table of criteria: `python -m tests.criteria` writes docs/faults.md anew.

Which tests there are is read from their source; how they went, and the figures that they
measured, from var/criteria.json, where every test run adds what it ran.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.criteria_list import CRITERIA, NOT_YET, SECTIONS, Criterion

PROJECT = Path(__file__).parent.parent
PAGE = PROJECT / "docs" / "faults.md"
RESULTS = PROJECT / "var" / "criteria.json"
BEGIN, END = "<!-- criteria: made by `make criteria` -->", "<!-- end of criteria -->"
HEAD = (
    "| id | marks | what must hold | proved by | result | figures |",
    "|---|---|---|---|---|---|",
)

_ID = re.compile(r"(?<![a-z0-9])c(\d\d)(?=_)")
_TEETH = re.compile(
    r"_without_|is_noticed|_would_be_|_fuzz_finds_|_teeth|_unchecked_"
    r"|_(bentoml|uvicorn)_alone_"
)

Results = Mapping[str, Mapping[str, Any]]
"""Test function -> case -> what came of it: see criteria_plugin."""


@dataclass(frozen=True)
class Row:
    """A criterion, the tests that prove it, and those that prove its teeth."""

    criterion: Criterion
    tests: tuple[str, ...]

    @property
    def teeth(self) -> tuple[str, ...]:
        """The tests that take the defence away."""
        return tuple(one for one in self.tests if _TEETH.search(one.partition("::")[2]))


def ids_in(name: str) -> set[int]:
    """Return the numbers of the criteria that a test's name carries."""
    return {int(number) for number in _ID.findall(name)}


@cache
def all_tests() -> tuple[str, ...]:
    """Return every test function as path::name, in order."""
    return tuple(_all_tests())


def _all_tests() -> Iterator[str]:
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.relative_to(PROJECT).as_posix()}::{node.name}"


def rows() -> list[Row]:
    """Return every criterion of the list with its tests."""
    return [
        Row(one, tuple(test for test in all_tests() if proves(test, one)))
        for one in CRITERIA
    ]


def proves(test: str, criterion: Criterion) -> bool:
    """Whether *test*, path::name, is one of the criterion's."""
    path, _, name = test.partition("::")
    return (
        criterion.number in ids_in(name)
        or test in criterion.also
        or f"{path}::*" in criterion.also
    )


def table(results: Results) -> str:
    """Return the table in Markdown, a section after another."""
    found = {row.criterion.number: row for row in rows()}
    lines: list[str] = []
    for section, criteria in SECTIONS.items():
        lines += [f"## {section}", "", *HEAD]
        lines += [line(found[one.number], results) for one in criteria]
        lines.append("")
    return "\n".join(lines)


def line(row: Row, results: Results) -> str:
    """Return one criterion's row; id and tests first, what was measured last."""
    one = row.criterion
    cases = [case for test in row.tests for case in results.get(test, {}).values()]
    cells = (
        one.id,
        "F" * one.fast + "★" * one.teeth,
        one.title,
        proof(row),
        verdict(cases) if row.tests else untested(one),
        figures(cases),
    )
    return "| " + " | ".join(cells) + " |"


def proof(row: Row) -> str:
    """Return the tests by file, the teeth apart, and what is not tested and why."""
    files: dict[str, int] = {}
    for test in row.tests:
        file = test.partition("::")[0].removeprefix("tests/")
        files[file] = files.get(file, 0) + 1
    parts = [f"`{file}` ({count})" for file, count in files.items()]
    if row.criterion.teeth and row.tests:
        names = [f"`{one.partition('::')[2]}`" for one in row.teeth]
        missing = row.criterion.reason_no_teeth or "still to come"
        parts.append(f"teeth: {', '.join(names) or missing}")
    return "; ".join([*parts, *filter(None, [row.criterion.reason])])


def untested(criterion: Criterion) -> str:
    """Return what stands for the result of a criterion without a test."""
    return "not tested yet" if criterion.number in NOT_YET else "not tested"


def verdict(cases: Sequence[Mapping[str, Any]]) -> str:
    """Return the result of all *cases* together: one that failed decides."""
    outcomes = [case["outcome"] for case in cases]
    if not outcomes:
        return "not run"
    if failed := outcomes.count("failed"):
        return f"**fail** ({failed} of {len(outcomes)})"
    skipped = outcomes.count("skipped")
    if skipped == len(outcomes):
        return "skipped"
    left_out = f", {skipped} skipped" if skipped else ""
    return f"pass ({len(outcomes) - skipped}{left_out})"


def figures(cases: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures of all *cases*; of one measured twice, both."""
    found: dict[str, list[str]] = {}
    for case in cases:
        for name, value in case["figures"].items():
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            values = found.setdefault(name, [])
            if shown not in values:
                values.append(shown)
    text = "; ".join(f"{name} {', '.join(all_)}" for name, all_ in found.items())
    return text.replace("|", "\\|")


def unmeasured(page: str) -> list[str]:
    """Return the table of *page* without results and figures: what may not be stale."""
    lines = page.partition(BEGIN)[2].partition(END)[0].splitlines()
    return ["|".join(one.split("|")[:5]) for one in lines if one.startswith("| C-")]


def written(page: str, results: Results) -> str:
    """Return *page* with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table(results)}{END}{rest.partition(END)[2]}"


def read_results() -> dict[str, dict[str, Any]]:
    """Return what the test runs so far have added."""
    if not RESULTS.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text())
    return found


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), read_results()))
