"""One model call for many requests, and whose fault it is when it fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ekiben.errors import BatchShapeMismatch
from ekiben.serving.jobs import Model, Piece
from ekiben.serving.version_counts import VersionCounts
from ekiben.use_cases.answers import Fields
from ekiben.use_cases.columns import together

Outcome = Sequence[Fields] | Exception
Observe = Callable[[str, Sequence[Piece], Sequence[Outcome], float], None]
"""Takes what came of one call: the version's tag, its pieces, their outcomes, the seconds."""


def unobserved(*_: object) -> None:
    """Take no notice of a call."""


@dataclass(frozen=True)
class Isolation:
    """Answers batches so that a request that makes the model raise fails alone.

    Called on any thread; *counts* gives those of a version, by its tag.
    """

    counts: Callable[[str], VersionCounts]

    def answer_each(self, model: Model, pieces: Sequence[Piece]) -> list[Outcome]:
        """Answer *pieces* by *model*, but the rest of a long job by the version that began it."""
        if not any(piece.job.model for piece in pieces):
            return self.answer(model, pieces)
        begun = [piece.job.model for piece in pieces if piece.job.model]
        versions = {id(one): one for one in begun}
        outcomes: dict[Piece, Outcome] = {}
        versions[id(model)] = model
        for version in versions.values():
            own = [one for one in pieces if (one.job.model or model) is version]
            if own:
                outcomes.update(zip(own, self.answer(version, own), strict=True))
        return [outcomes[piece] for piece in pieces]

    def answer(self, model: Model, pieces: Sequence[Piece]) -> list[Outcome]:
        """Answer all *pieces* in one call; halve a call that fails, until the guilty is alone.

        A call that answers another number of rows fails whole: nobody knows whose are whose.
        """
        rows = together([piece.rows for piece in pieces])
        try:
            fields = model.predict(rows)
            if len(fields) != len(rows):
                raise BatchShapeMismatch(
                    f"asked {len(rows)} rows, got {len(fields)} answers"
                )
        except BatchShapeMismatch as error:
            self.counts(model.tag).mismatches += 1
            return [error] * len(pieces)
        except Exception as error:
            self.counts(model.tag).failed_batches += 1
            return self._halve(model, pieces, error)
        return _shares(pieces, fields)

    def _halve(
        self, model: Model, pieces: Sequence[Piece], error: Exception
    ) -> list[Outcome]:
        """Answer *pieces*, a call for which failed with *error*."""
        if len(pieces) == 1:
            return [error]
        half = len(pieces) // 2
        return [
            *self.answer(model, pieces[:half]),
            *self.answer(model, pieces[half:]),
        ]


def _shares(pieces: Sequence[Piece], fields: Sequence[Fields]) -> list[Outcome]:
    shares: list[Outcome] = []
    start = 0
    for piece in pieces:
        stop = start + piece.stop - piece.start
        shares.append(fields[start:stop])
        start = stop
    return shares
