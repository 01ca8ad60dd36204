"""What `ekiben replay` prints: a line, tables, or JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ekiben.monitoring.against import Contrast, Share
from ekiben.monitoring.replay import Replay, Tally
from ekiben.registry.events import printable, stamp

SHOWN = 60
"""Characters of a row or an answer that an example shows."""


def line_of(found: Replay) -> str:
    """Say in one line what became of one prediction."""
    record = found.record
    words = f"{record.prediction_id} by {record.tag}: {found.verdict}"
    if found.verdict == "identical":
        return f"{words}: {_short(record.answer)}"
    return printable(f"{words}, {found.cause}: {found.words}")


def print_one(found: Replay, *, as_json: bool) -> None:
    """Print what became of one prediction; what is not identical is told as the error."""
    if as_json:
        typer.echo(json.dumps(_facts(found), indent=2))
    elif found.verdict == "identical":
        typer.echo(line_of(found))


def print_tallies(tallies: Mapping[str, Tally], *, as_json: bool) -> None:
    """Print what became of the predictions of each use case."""
    if as_json:
        typer.echo(json.dumps(_each(tallies), indent=2))
        return
    for name, one in tallies.items():
        parts = [f"{one.identical:,} identical ({one.exact:,} to the last bit)"]
        parts += [f"{count:,} {cause}" for cause, count in one.faults.items()]
        if one.not_whole:
            parts.append(f"{one.not_whole:,} not asked: not kept whole in the log")
        typer.echo(f"{name}: {', '.join(parts)}")


def summary(tallies: Mapping[str, Tally]) -> str:
    """Say in one line what is not identical, with the first of it."""
    bad = sum(sum(one.faults.values()) for one in tallies.values())
    first = next(one.examples[0] for one in tallies.values() if one.examples)
    return f"{bad:,} not answered as they were; the first: {line_of(first)}"


def print_contrast(found: Contrast, *, as_json: bool) -> None:
    """Print what another version would have answered."""
    if as_json:
        typer.echo(json.dumps(_contrast_facts(found), indent=2))
        return
    typer.echo(_told(found))
    if found.truths.rows:
        one = found.truths
        typer.echo(
            f"of {one.rows:,} with feedback that it has not seen the logged answers "
            f"have {one.logged_right:,} right, its own {one.other_right:,}"
        )
    for cause, count in (+found.left_out).items():
        typer.echo(f"{count:,} rows not compared: {cause}")
    for table in (_versions(found), _changes(found), _slices(found), _examples(found)):
        if table.row_count:
            Console().print(table)


def _told(found: Contrast) -> str:
    rows, other = found.all.rows, found.all.disagreements
    share = f" ({1 - other / rows:.2%})" if rows else ""
    return f"{found.tag} agrees on {rows - other:,} of {rows:,} rows{share}"


def _versions(found: Contrast) -> Table:
    table = Table("answered by", "rows", "other label", "share")
    for tag, one in found.versions.items():
        table.add_row(tag, *_cells(one))
    return table


def _changes(found: Contrast) -> Table:
    table = Table("logged label", "label now", "rows")
    for (before, after), rows in found.changes.most_common():
        table.add_row(_label(before), _label(after), f"{rows:,}")
    return table


def _slices(found: Contrast) -> Table:
    table = Table("slice", "rows", "other label", "share")
    for name, groups in found.slices.items():
        for group, one in sorted(groups.items(), key=lambda item: -_share(item[1])):
            table.add_row(Text(f"{name} {group}"), *_cells(one))
    return table


def _examples(found: Contrast) -> Table:
    table = Table("example", "row", "logged", "now", "true")
    table.columns[0].no_wrap = True  # to be handed to `ekiben replay`
    for one in found.examples:
        true = "" if one.true is None else _label(one.true)
        words = (_short(one.row), _short(one.logged), _short(one.other), true)
        table.add_row(one.prediction_id, *(Text(word) for word in words))
    return table


def _cells(one: Share) -> tuple[str, str, str]:
    return f"{one.rows:,}", f"{one.disagreements:,}", f"{_share(one):.2%}"


def _share(one: Share) -> float:
    return one.disagreements / one.rows


def _label(label: Any) -> str:
    if isinstance(label, float):
        return f"{label:.4g}"
    return label if isinstance(label, str) else json.dumps(label)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
    return _label(value)


def _short(fields: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name} {_plain(value)}" for name, value in fields.items())
    return printable(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def _facts(found: Replay) -> dict[str, Any]:
    record = found.record
    return {
        "prediction_id": record.prediction_id,
        "use_case": record.use_case,
        "model": record.tag,
        "at": stamp(record.at),
        "verdict": found.verdict,
        "exact": found.exact,
        "cause": found.cause,
        "words": found.words,
        "differences": [asdict(one) for one in found.differences],
    }


def _each(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {
        name: {
            "identical": one.identical,
            "exact": one.exact,
            "not_whole": one.not_whole,
            "faults": dict(one.faults),
            "examples": [_facts(example) for example in one.examples],
        }
        for name, one in tallies.items()
    }


def _contrast_facts(found: Contrast) -> dict[str, Any]:
    return {
        "model": found.tag,
        "agreement": 1 - _share(found.all) if found.all.rows else None,
        **asdict(found.all),
        "versions": {tag: asdict(one) for tag, one in found.versions.items()},
        "slices": {
            name: {group: asdict(one) for group, one in groups.items()}
            for name, groups in found.slices.items()
        },
        "changes": [
            {"logged": before, "now": after, "rows": rows}
            for (before, after), rows in found.changes.most_common()
        ],
        "truths": asdict(found.truths),
        "not_compared": dict(+found.left_out),
        "examples": [asdict(one) for one in found.examples],
    }
