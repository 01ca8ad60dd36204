"""`ekiben keys`: API keys made, listed, rotated and revoked."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ekiben.access.caller import SCOPES
from ekiben.access.database import KeyDatabase
from ekiben.access.keys import Key, mint
from ekiben.access.pepper import pepper_of
from ekiben.access.rates import Rate
from ekiben.cli.setting import AsJson, actor_of
from ekiben.errors import InvalidRate
from ekiben.registry.events import stamp
from ekiben.settings import Settings

DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
NO_END = timedelta.max
DEFAULT_LIFE = "90d"
DEFAULT_OVERLAP = "24h"

app = typer.Typer(
    no_args_is_help=True, help="Create, list, rotate and revoke API keys."
)


def read_duration(text: str) -> timedelta:
    """Read `30m`, `12h`, `90d`, or `never`."""
    if text == "never":
        return NO_END
    found = DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no duration; write 30m, 12h or 90d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def read_rate(text: str) -> Rate:
    """Read `N/second` or `N/minute`."""
    try:
        return Rate.parse(text)
    except InvalidRate as error:
        raise typer.BadParameter(str(error)) from None


Scopes = Annotated[
    list[str],
    typer.Option("--scope", help=f"One of {', '.join(SCOPES)}; may be repeated."),
]
UseCases = Annotated[
    list[str],
    typer.Option("--use-case", help="May be repeated. None: every use case."),
]
Expires = Annotated[
    timedelta,
    typer.Option(
        parser=read_duration, metavar="DURATION", help="30m, 12h, 90d, or never."
    ),
]
Overlap = Annotated[
    timedelta,
    typer.Option(
        parser=read_duration,
        metavar="DURATION",
        help="How long the old key stays live beside the new one.",
    ),
]
RateOption = Annotated[
    Rate | None,
    typer.Option(
        parser=read_rate,
        metavar="N/second|N/minute",
        help="Requests, per worker process.",
    ),
]
RowsPerDay = Annotated[
    int | None, typer.Option(min=1, help="Rows predicted per day, UTC.")
]
Name = Annotated[str, typer.Option(help="What the key is for.")]
Identity = Annotated[str, typer.Argument(metavar="ID", help="The key's public id.")]


@app.command()
def create(
    scope: Scopes,
    use_case: UseCases = [],  # noqa: B006  typer reads the default
    expires: Expires = DEFAULT_LIFE,  # type: ignore[assignment]  # typer parses it
    name: Name = "",
    rate: RateOption = None,
    rows_per_day: RowsPerDay = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and show it, this once."""
    settings = Settings.from_env()
    now = datetime.now(UTC)
    key, secret = _new(
        settings,
        now,
        name=name,
        scopes=_known("--scope", scope, SCOPES),
        use_cases=_known("--use-case", use_case, _use_cases()) if use_case else (),
        expires=None if expires == NO_END else now + expires,
        rate=rate,
        rows_per_day=rows_per_day,
    )
    with KeyDatabase.opened(settings.ledger_url) as database:
        database.add(key)
    _show(key, secret, as_json=as_json)


@app.command()
def rotate(
    identity: Identity,
    overlap: Overlap = DEFAULT_OVERLAP,  # type: ignore[assignment]
    expires: Expires = DEFAULT_LIFE,  # type: ignore[assignment]
    as_json: AsJson = False,
) -> None:
    """Create a key like another, which stays live for the overlap."""
    settings = Settings.from_env()
    now = datetime.now(UTC)
    with KeyDatabase.opened(settings.ledger_url) as database:
        old = database.find(identity)
        key, secret = _new(
            settings,
            now,
            name=old.name,
            scopes=old.scopes,
            use_cases=old.use_cases,
            expires=None if expires == NO_END else now + expires,
            rate=old.rate,
            rows_per_day=old.rows_per_day,
        )
        until = datetime.max.replace(tzinfo=UTC) if overlap == NO_END else now + overlap
        old = database.rotate(identity, key, at=now, until=until)
    _show(key, secret, as_json=as_json, replaces=old)


@app.command()
def revoke(identity: Identity, as_json: AsJson = False) -> None:
    """Let a key open nothing any more, in every server within 5 seconds."""
    settings = Settings.from_env()
    with KeyDatabase.opened(settings.ledger_url) as database:
        key = database.revoke(identity, datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(_facts(key), indent=2))
        return
    at = f"{key.revoked:%Y-%m-%d %H:%M:%S}" if key.revoked else ""
    typer.echo(f"{key.id} is revoked since {at} UTC")


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys: what they open, until when, and when they were last used."""
    settings = Settings.from_env()
    with KeyDatabase.opened(settings.ledger_url) as database:
        keys, used = database.read_all(), database.last_used()
    if as_json:
        facts = [_facts(key, used) for key in keys]
        typer.echo(json.dumps(facts, indent=2))
        return
    _print(keys, used, datetime.now(UTC))


def _new(settings: Settings, now: datetime, **facts: Any) -> tuple[Key, str]:
    pepper = pepper_of(settings)
    identity, secret = mint()
    key = Key(
        id=identity,
        digest=pepper.digest(secret.encode()).hex(),
        pepper=pepper.mark,
        created=now,
        created_by=actor_of(settings),
        **facts,
    )
    return key, secret


def _known(option: str, given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    for one in given:
        if one not in known:
            raise typer.BadParameter(
                f"no {one!r}; there are: {', '.join(known)}", param_hint=option
            )
    return tuple(one for one in known if one in given)


def _use_cases() -> list[str]:
    # Imported late: listing and revoking need not wait for pandas.
    from ekiben.use_cases.catalog import USE_CASES

    return [one.name for one in USE_CASES]


def _show(key: Key, secret: str, *, as_json: bool, replaces: Key | None = None) -> None:
    if as_json:
        facts = {"key": secret, **_facts(key)}
        if replaces is not None:
            facts["replaces"] = _facts(replaces)
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(secret)
    until = f"until {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else "without end"
    typer.echo(
        f"key {key.id} for {', '.join(key.scopes)} on "
        f"{', '.join(key.use_cases) or 'every use case'}, {until}; "
        "it is not shown again",
        err=True,
    )
    if replaces is not None:
        typer.echo(
            f"key {replaces.id} stays live until {replaces.expires:%Y-%m-%d %H:%M} UTC",
            err=True,
        )


def _facts(key: Key, used: Mapping[str, datetime] | None = None) -> dict[str, object]:
    facts: dict[str, object] = {
        "id": key.id,
        "name": key.name,
        "state": key.state(datetime.now(UTC)),
        "scopes": key.scopes,
        "use_cases": key.use_cases,
        "created": stamp(key.created),
        "created_by": key.created_by,
        "expires": stamp(key.expires) if key.expires else None,
        "revoked": stamp(key.revoked) if key.revoked else None,
        "rate": str(key.rate) if key.rate else None,
        "rows_per_day": key.rows_per_day,
    }
    if used is not None:
        last = used.get(key.id)
        facts["last_used"] = stamp(last) if last else None
    return facts


def _print(keys: Sequence[Key], used: Mapping[str, datetime], now: datetime) -> None:
    columns = ("id", "name", "scopes", "use cases", "limits", "state", "last used")
    table = Table(*columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for column in table.columns[-2:]:
        column.min_width = len("2026-11-22")
    table.caption, table.caption_justify = "Times are in UTC.", "left"
    for key in keys:
        limits = [str(key.rate)] * bool(key.rate)
        limits += [f"{key.rows_per_day} rows/day"] * bool(key.rows_per_day)
        cells = (
            key.id,
            key.name,
            "\n".join(key.scopes),
            "\n".join(key.use_cases) or "all",
            "\n".join(limits),
            f"{_state(key, now)}, created {_moment(key.created)}",
            _moment(used.get(key.id)),
        )
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


def _state(key: Key, now: datetime) -> str:
    match key.state(now):
        case "revoked":
            return f"revoked {_moment(key.revoked)}"
        case "expired":
            return f"expired {_moment(key.expires)}"
        case _:
            return f"live until {_moment(key.expires)}" if key.expires else "live"


def _moment(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else ""
