"""The fast scorer of TF-IDF with a logistic regression: one look-up per known term.

scikit-learn makes a sparse matrix for every call, which costs most of a millisecond
before the first row. Here each known term carries its share of a text's length and of
its decision values. The terms come from the vectorizer's own analyzer.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from ekiben.use_cases.use_case import Floats, Scorer


def linear_text_scorer(pipeline: Any) -> Scorer:
    """Make the scorer of a pipeline of TfidfVectorizer and LogisticRegression.

    Raises:
        ValueError: the vectorizer does not use l2 lengths and sublinear counts.
    """
    (_, vectorizer), (_, regression) = pipeline.steps
    if vectorizer.norm != "l2" or not vectorizer.sublinear_tf:
        raise ValueError("needs TF-IDF with norm='l2' and sublinear_tf=True")
    make = _two_classes if len(regression.classes_) == 2 else _many_classes
    return make(vectorizer, regression)


def _two_classes(vectorizer: Any, regression: Any) -> Scorer:
    analyze = vectorizer.build_analyzer()
    squares = (vectorizer.idf_**2).tolist()
    weights = (vectorizer.idf_ * regression.coef_[0]).tolist()
    intercept = float(regression.intercept_[0])
    shares = {t: (squares[i], weights[i]) for t, i in vectorizer.vocabulary_.items()}

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
        positive = expit(np.array([decision(text) for text in texts]))
        return np.column_stack((1.0 - positive, positive))

    return score


def _many_classes(vectorizer: Any, regression: Any) -> Scorer:
    analyze, places = vectorizer.build_analyzer(), vectorizer.vocabulary_
    squares = vectorizer.idf_**2
    weights = vectorizer.idf_ * regression.coef_
    intercepts = regression.intercept_

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


def _softmax(decisions: Floats) -> Floats:
    odds = np.exp(decisions - decisions.max(axis=1, keepdims=True))
    shares: Floats = odds / odds.sum(axis=1, keepdims=True)
    return shares


def length_bands(texts: "pd.Series[str]", ends: Sequence[int]) -> "pd.Series[Any]":
    """Name the band of each text's length in characters; *ends* belong to the band below."""
    names = [
        *(f"{low + 1} to {high}" for low, high in pairwise((0, *ends))),
        f"over {ends[-1]}",
    ]
    return pd.cut(texts.str.len(), [0, *ends, np.inf], labels=names).astype(str)
