"""The file that `--html` names, looked at before a long measurement and written after it."""

from pathlib import Path
from typing import Annotated

import typer

from ekiben.errors import PageNotWritten


def in_a_folder(file: Path | None) -> Path | None:
    """Return *file*; wrong usage where there is no folder for it."""
    if file is not None and not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent}")
    return file


Html = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        callback=in_a_folder,
        help="Write a page with plots to this file.",
    ),
]


def write_page(file: Path, page: str) -> None:
    """Write *page*.

    Raises:
        PageNotWritten: the folder or the disk does not let us.
    """
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise PageNotWritten(file, str(error.strerror)) from None
