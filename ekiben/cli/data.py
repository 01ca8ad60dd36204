"""`ekiben data`: where each data set would come from now, and the downloads."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, RootModel
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from ekiben.datasets import Dataset, choose, load
from ekiben.datasets.downloads import fetch as download
from ekiben.errors import DownloadFailed, InvalidTable, UnknownUseCase
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES

DATASETS: tuple[Dataset, ...] = tuple(one.dataset for one in USE_CASES)

app = typer.Typer(
    invoke_without_command=True,
    help="Show where each data set would come from now, or download them.",
)


class Line(BaseModel):
    """What is known of one data set without a download; no rows: not known."""

    use_case: str
    source: str
    file: str | None
    rows: int | None = None
    bytes: int | None
    sha256: str | None
    url: str | None
    problem: str | None = None


def cache_of(settings: Settings) -> Path:
    """Return the folder that downloads are kept in."""
    return settings.home / "ekiben" / "data"


@app.callback()
def show(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show where each data set would come from now, or download them."""
    if context.invoked_subcommand:
        return
    settings = Settings.from_env()
    lines = [_line(dataset, settings) for dataset in DATASETS]
    if as_json:
        typer.echo(RootModel[list[Line]](lines).model_dump_json(indent=2))
    else:
        _print(lines)


@app.command()
def fetch(
    use_cases: Annotated[
        list[str] | None, typer.Argument(help="None: all.", metavar="[USE_CASE]...")
    ] = None,
) -> None:
    """Download public data files, and check them, unless they are there already."""
    settings = Settings.from_env()
    chosen = _chosen(use_cases or [dataset.name for dataset in DATASETS])
    if settings.offline:
        raise DownloadFailed("nothing is downloaded while EKIBEN_OFFLINE is set")
    for dataset in chosen:
        if dataset.public:
            path = download(dataset.public, cache_of(settings))
            typer.echo(f"{dataset.name}: {path}")
        else:
            typer.echo(f"{dataset.name}: comes with {dataset.sample_source}")


def _chosen(names: list[str]) -> list[Dataset]:
    known = {dataset.name: dataset for dataset in DATASETS}
    for name in names:
        if name not in known:
            raise UnknownUseCase(name, list(known))
    return [known[name] for name in names]


def _line(dataset: Dataset, settings: Settings) -> Line:
    cache = cache_of(settings)
    source = choose(
        dataset, data_dir=settings.data_dir, cache=cache, offline=settings.offline
    )
    public = dataset.public
    line = Line(
        use_case=dataset.name,
        source=source.origin if public else dataset.sample_source,
        file=public.name if public else None,
        bytes=public.bytes if public else None,
        sha256=public.sha256 if public else None,
        url=public.url if public else None,
    )
    if source.path is None:
        return line
    try:
        card = load(dataset, data_dir=settings.data_dir, cache=cache).card
    except InvalidTable as refusal:
        return line.model_copy(update={"problem": str(refusal)})
    return line.model_copy(update={"rows": card.rows})


def _print(lines: list[Line]) -> None:
    table = Table("use case", "source now", "rows", "file", "size", "sha256")
    for line in lines:
        table.add_row(
            line.use_case,
            line.source,
            "" if line.rows is None else f"{line.rows:,}",
            line.file or "",
            "" if line.bytes is None else decimal(line.bytes),
            (line.sha256 or "")[:12],
        )
    for column in table.columns:
        column.overflow = "fold"
    console = Console()
    console.print(table)
    for line in lines:
        if line.problem:
            console.print(line.problem, style="red", markup=False, highlight=False)
