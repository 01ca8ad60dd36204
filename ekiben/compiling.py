"""A fitted estimator to the scorer that will serve, behind the parity gate."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ekiben.compiled.artefact import (
    Artefact,
    Malformed,
    NotCompilable,
    Scorer,
    read_artefact,
)
from ekiben.compiled.forms import load_scorer
from ekiben.compiled.parity import Agreement, compare
from ekiben.schemas.model_card import Compiled
from ekiben.use_cases.use_case import Decision, Floats, UseCase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compilation:
    """What came of compiling: the verdict for the card, and files where it passed."""

    verdict: Compiled | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    score: Scorer | None = None
    """The compiled scorer, read back from `files`; None: the estimator serves."""


def compile_estimator(
    use_case: UseCase, estimator: Any, validation: Any, decision: Decision
) -> Compilation:
    """Compile a fitted *estimator* and compare both on the encoded *validation* rows.

    The estimator speaks by its own `predict_proba`, and the compiled form as a server
    reads it: from its files. Where they differ, or compiling fails, the verdict says
    so and there are no files.
    """
    if use_case.compile is None:
        return Compilation()
    try:
        artefact = use_case.compile(estimator)
    except Exception as error:
        return _native(use_case, "", _reason(error))
    return _compared(use_case, estimator, artefact, validation, decision)


def _compared(
    use_case: UseCase,
    estimator: Any,
    artefact: Artefact,
    validation: Any,
    decision: Decision,
) -> Compilation:
    def labels_of(probabilities: Floats) -> list[Any]:
        answers = use_case.answer(probabilities, decision)
        return [use_case.label_of(one) for one in answers]

    native = use_case.own_scorer(estimator)
    files = artefact.render()
    try:
        score = load_scorer(read_artefact(files), use_case.classes)
        found = compare(native, score, validation, labels_of)
    except Exception as error:
        return _native(use_case, artefact.form, _reason(error))
    if found.fault:
        return _native(use_case, artefact.form, found.fault, found)
    verdict = _verdict(artefact.form, "compiled", "", found)
    return Compilation(verdict, files, score)


def _native(
    use_case: UseCase, form: str, reason: str, found: Agreement | None = None
) -> Compilation:
    facts = {"use_case": use_case.name, "form": form, "reason": reason}
    log.warning("served by the estimator, not compiled", extra=facts)
    return Compilation(_verdict(form, "native", reason, found))


def _verdict(form: str, serves: Any, reason: str, found: Agreement | None) -> Compiled:
    measured = found or Agreement(0, 0, 0.0, 0, 0.0)
    return Compiled(
        form=form,
        serves=serves,
        reason=reason,
        rows=measured.rows,
        hard_rows=measured.hard_rows,
        largest_difference=measured.largest,
        label_mismatches=measured.mismatches,
        share_over=measured.share_over,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, (NotCompilable, Malformed)):
        return str(error)
    return f"{type(error).__name__}: {error}"
