"""Predict requests and answers in Arrow for one use case; pyarrow is imported at the first."""

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ekiben.schemas.base import Prediction, Row
from ekiben.use_cases.use_case import Fields

if TYPE_CHECKING:
    from ekiben.serving.arrow_answers import ArrowAnswers
    from ekiben.serving.arrow_rows import ArrowRows

UNKNOWN_COLUMNS = 100
"""So many columns more than its schema has may a table bring and still be told which."""
INLINE_BYTES = 512 * 1024
"""A longer body is decoded off the event loop: a thousand rows of thirty numbers are half of
it, and take less than a millisecond."""


class ArrowForm:
    """Bodies in Arrow to checked rows, predictions to a stream. For the event loop."""

    def __init__(
        self, row: type[Row], prediction: type[Prediction], most_bytes: int
    ) -> None:
        self._row = row
        self._prediction = prediction
        self._most_bytes = most_bytes
        self._ready = False

    @cached_property
    def _rows(self) -> "ArrowRows":
        from ekiben.serving.arrow_rows import ArrowRows

        return ArrowRows.of(
            self._row, unknown=UNKNOWN_COLUMNS, most_bytes=self._most_bytes
        )

    @cached_property
    def _answers(self) -> "ArrowAnswers":
        from ekiben.serving.arrow_answers import ArrowAnswers

        return ArrowAnswers.of(self._prediction)

    async def _import(self) -> None:
        """Import pyarrow, which takes a fifth of a second, while the event loop runs on."""
        if not self._ready:
            await asyncio.to_thread(lambda: (self._rows, self._answers))
            self._ready = True

    async def rows(self, body: bytes) -> Sequence[Row]:
        """Return the checked rows of *body*, as columns where that can be.

        Raises:
            Refused, InvalidRequest: it has none.
        """
        await self._import()
        if len(body) > INLINE_BYTES:
            return await asyncio.to_thread(self._read, body)
        table = self._rows.read(body)
        # Only what is not right at once takes long.
        columns = self._rows.columns(table)
        if columns is None:
            return await asyncio.to_thread(self._rows.rows, table)
        return columns

    def _read(self, body: bytes) -> Sequence[Row]:
        table = self._rows.read(body)
        columns = self._rows.columns(table)
        return self._rows.rows(table) if columns is None else columns

    async def stream(self, answers: Sequence[Fields], tag: str) -> bytes:
        """Return *answers*, all of the version *tag*, as a stream of one batch."""
        await self._import()
        return self._answers.encode(answers, tag)
