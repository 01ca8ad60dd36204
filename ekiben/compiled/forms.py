"""The forms of compiled models, by the name that an artefact gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ekiben.compiled.artefact import Artefact, Malformed, Scorer, in_order
from ekiben.compiled.boosting import BOOSTING, load_boosting
from ekiben.compiled.forest import FOREST, load_forest
from ekiben.compiled.linear_text import LINEAR_TEXT, load_linear_text
from ekiben.compiled.tree import TREE, load_tree

FORMS: Mapping[str, Callable[[Artefact], Scorer]] = {
    BOOSTING: load_boosting,
    FOREST: load_forest,
    LINEAR_TEXT: load_linear_text,
    TREE: load_tree,
}


def load_scorer(artefact: Artefact, classes: Sequence[Any]) -> Scorer:
    """Make the scorer of *artefact*, its columns in the order of *classes*.

    The files are trusted to be what a compiler wrote: check their digests first.

    Raises:
        Malformed: the form is unknown, a file is missing or not what it writes, or
            the classes are others.
    """
    if artefact.form not in FORMS:
        raise Malformed(f"there is no form {artefact.form!r} in this Ekiben")
    try:
        score = FORMS[artefact.form](artefact)
        return in_order(score, artefact.classes, classes)
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"form {artefact.form!r}: {error!r}") from None
