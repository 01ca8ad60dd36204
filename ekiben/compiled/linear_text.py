"""TF-IDF with a logistic regression as its terms and weights: one look-up per known term.

scikit-learn makes a sparse matrix for every call, which costs most of a millisecond
before the first row. Here each known term carries its share of a text's length and of
its decision values.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekiben.compiled.artefact import (
    Artefact,
    Floats,
    Malformed,
    NotCompilable,
    Scorer,
    pack,
    plain_classes,
    unpack,
)

LINEAR_TEXT = "linear text"
TERMS, WEIGHTS = "terms.json", "weights.npz"
PLAIN: Mapping[str, Any] = {
    "analyzer": "word",
    "norm": "l2",
    "sublinear_tf": True,
    "use_idf": True,
    "binary": False,
    "ngram_range": (1, 1),
    "strip_accents": None,
    "preprocessor": None,
    "tokenizer": None,
    "vocabulary": None,
}
"""What a vectorizer's parameters have to be. Stop words may be any: they are among the
known terms of no text, so that to leave them out changes nothing."""

WORDS = r"(?u)\b\w\w+\b"
"""scikit-learn's own pattern: words of two letters or digits and more."""
PIECES = r"(?u)\d{1,2}|[^\W\d]{1,4}|[^\s\w]+"
"""Pairs of digits, up to four letters, and whatever else stands together."""
ASCII_PIECES = r"[A-Za-z_]{1,4}|[0-9]{1,2}|[\x00-\x08\x0e-\x1b!-/:-@\[-^`{-\x7f]+"
"""What PIECES finds in ASCII: ranges are looked for in two thirds of the time."""


@dataclass(frozen=True)
class _Model:
    """What a text is scored by: terms from text, each with its place, and their weights."""

    analyze: Callable[[str], Sequence[str]]
    places: Mapping[str, int]
    idf: Floats
    coefficients: Floats
    intercepts: Floats


def compile_linear_text(pipeline: Any) -> Artefact:
    """Compile a pipeline of TfidfVectorizer and LogisticRegression.

    Raises:
        NotCompilable: the vectorizer has a parameter that PLAIN does not allow.
    """
    (_, vectorizer), (_, regression) = pipeline.steps
    others = [n for n, value in PLAIN.items() if getattr(vectorizer, n) != value]
    if others:
        raise NotCompilable(f"the vectorizer has another {', '.join(others)}")
    places = vectorizer.vocabulary_
    weights = {
        "idf": vectorizer.idf_,
        "coefficients": regression.coef_,
        "intercepts": regression.intercept_,
    }
    return Artefact(
        LINEAR_TEXT,
        plain_classes(regression),
        {"pattern": vectorizer.token_pattern, "lowercase": vectorizer.lowercase},
        {
            TERMS: json.dumps(sorted(places, key=places.__getitem__)).encode(),
            WEIGHTS: pack(weights),
        },
    )


def load_linear_text(artefact: Artefact) -> Scorer:
    """Make the scorer."""
    weights = unpack(artefact.files[WEIGHTS])
    terms = json.loads(artefact.files[TERMS])
    if len(terms) != len(weights["idf"]):
        raise Malformed(f"{len(terms)} terms for {len(weights['idf'])} weights")
    places = {term: place for place, term in enumerate(terms)}
    analyze = _analyzer(artefact.facts["pattern"], artefact.facts["lowercase"])
    return _scorer(_Model(analyze, places, **weights))


def linear_text_scorer(pipeline: Any) -> Scorer:
    """Make the scorer of a fitted pipeline with its own analyzer, whatever that is.

    Raises:
        ValueError: the vectorizer does not use l2 lengths and sublinear counts.
    """
    (_, vectorizer), (_, regression) = pipeline.steps
    if vectorizer.norm != "l2" or not vectorizer.sublinear_tf:
        raise ValueError("needs TF-IDF with norm='l2' and sublinear_tf=True")
    return _scorer(
        _Model(
            vectorizer.build_analyzer(),
            vectorizer.vocabulary_,
            vectorizer.idf_,
            regression.coef_,
            regression.intercept_,
        )
    )


Terms = Callable[[str], list[str]]


def _analyzer(pattern: str, lowercase: bool) -> Terms:
    """Return what finds the terms of a text, and maybe others that are in no vocabulary."""
    find = re.compile(pattern).findall
    terms: Terms = (lambda text: find(text.lower())) if lowercase else find
    quicker = {WORDS: _split_words, PIECES: _find_pieces}.get(pattern)
    if quicker is None:
        return terms
    in_ascii = quicker(lowercase)
    return lambda text: in_ascii(text) if text.isascii() else terms(text)


def _split_words(lowercase: bool) -> Terms:
    """Return what splits at all that is in no word, which takes a third of the time.

    Words of one letter come out, too.
    """
    characters = (chr(one) for one in range(128))
    kept = "".join(one if one.isalnum() or one == "_" else " " for one in characters)
    table = (kept.lower() if lowercase else kept).encode().ljust(256)
    return lambda text: text.encode().translate(table).decode().split()


def _find_pieces(lowercase: bool) -> Terms:
    find = re.compile(ASCII_PIECES).findall
    return (lambda text: find(text.lower())) if lowercase else find


def _scorer(model: _Model) -> Scorer:
    return _two_classes(model) if len(model.intercepts) == 1 else _many_classes(model)


def _two_classes(model: _Model) -> Scorer:
    analyze, intercept = model.analyze, float(model.intercepts[0])
    squares = (model.idf**2).tolist()
    weights = (model.idf * model.coefficients[0]).tolist()
    shares = {t: (squares[i], weights[i]) for t, i in model.places.items()}

    def decision(text: str) -> float:
        length = total = 0.0
        for term, count in Counter(analyze(text)).items():
            if term in shares:
                square, weight = shares[term]
                if count > 1:
                    factor = 1.0 + math.log(count)
                    square *= factor * factor
                    weight *= factor
                length += square
                total += weight
        return total / math.sqrt(length) + intercept if length else intercept

    def score(texts: Sequence[str]) -> Floats:
        positive = np.array([_logistic(decision(text)) for text in texts])
        return np.column_stack((1.0 - positive, positive))

    return score


def _many_classes(model: _Model) -> Scorer:
    analyze, places, intercepts = model.analyze, model.places, model.intercepts
    squares = model.idf**2
    weights = model.idf * model.coefficients

    def score(texts: Sequence[str]) -> Floats:
        rows: list[int] = []
        terms: list[int] = []
        factors: list[float] = []
        for row, text in enumerate(texts):
            for term, count in Counter(analyze(text)).items():
                if term in places:
                    rows.append(row)
                    terms.append(places[term])
                    factors.append(1.0 + math.log(count) if count > 1 else 1.0)
        factor, at = np.array(factors), np.array(terms, dtype=np.intp)
        of = np.array(rows, dtype=np.intp)
        decisions = np.empty((len(texts), len(intercepts)))
        length = np.bincount(of, factor * factor * squares[at], len(texts))
        length[length == 0.0] = 1.0  # no known term: the intercepts decide
        for number, weight in enumerate(weights):
            decisions[:, number] = np.bincount(of, factor * weight[at], len(texts))
        decisions /= np.sqrt(length)[:, None]
        decisions += intercepts
        return _softmax(decisions)

    return score


def _logistic(decision: float) -> float:
    small = math.exp(-abs(decision))  # never above 1: nothing overflows
    return (1.0 if decision >= 0.0 else small) / (1.0 + small)


def _softmax(decisions: Floats) -> Floats:
    odds = np.exp(decisions - decisions.max(axis=1, keepdims=True))
    shares: Floats = odds / odds.sum(axis=1, keepdims=True)
    return shares
