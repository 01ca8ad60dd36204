"""TF-IDF with a logistic regression, as terms and weights: which are compiled, and exactly."""

import json
import re
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ekiben.compiled.artefact import Malformed, NotCompilable, read_artefact
from ekiben.compiled.linear_text import (
    PIECES,
    TERMS,
    WORDS,
    _analyzer,
    compile_linear_text,
    load_linear_text,
)
from ekiben.compiled.parity import HARD_TEXTS

TEXTS = [
    "tea now and then",
    "green tea tea tea",
    "the free prize",
    "free FREE free now",
    "É über ΣΑΣ σας",
    "Привет 機械学習 का \u0130x",
]
TEXT = st.text(st.one_of(st.characters(max_codepoint=127), st.characters()))


def fitted(classes: int = 2, **parameters: Any) -> Any:
    labels = [number % classes for number in range(len(TEXTS))]
    vectorizer = TfidfVectorizer(**{"sublinear_tf": True, **parameters})
    return make_pipeline(vectorizer, LogisticRegression()).fit(TEXTS, labels)


@pytest.mark.parametrize(
    "pipeline",
    [
        pytest.param(fitted(), id="two-classes"),
        pytest.param(fitted(3), id="three-classes"),
        pytest.param(fitted(3, stop_words="english"), id="stop-words"),
        pytest.param(fitted(lowercase=False), id="as-written"),
        pytest.param(fitted(token_pattern=r"\w"), id="a-pattern-of-its-own"),
        pytest.param(fitted(min_df=2, max_features=3), id="rare-terms-left-out"),
    ],
)
def test_any_text_is_scored_as_the_pipeline_does(pipeline: Any) -> None:
    texts = [*HARD_TEXTS, *TEXTS, " ".join(TEXTS)]

    score = load_linear_text(read_artefact(compile_linear_text(pipeline).render()))

    assert np.abs(score(texts) - pipeline.predict_proba(texts)).max() <= 1e-12


@pytest.mark.parametrize("lowercase", [True, False])
@given(text=TEXT)
def test_splitting_finds_the_words_that_the_pattern_finds(
    lowercase: bool, text: str
) -> None:
    found = [one for one in _analyzer(WORDS, lowercase)(text) if len(one) > 1]

    assert found == re.findall(WORDS, text.lower() if lowercase else text)


@pytest.mark.parametrize("lowercase", [True, False])
@given(text=TEXT)
def test_ranges_find_the_pieces_that_the_pattern_finds(
    lowercase: bool, text: str
) -> None:
    found = _analyzer(PIECES, lowercase)(text)

    assert found == re.findall(PIECES, text.lower() if lowercase else text)


@pytest.mark.parametrize("pattern", [WORDS, PIECES])
def test_every_pair_of_ascii_characters_is_read_alike(pattern: str) -> None:
    for first, second in product(map(chr, range(128)), repeat=2):
        text = f"aB1{first}{second}2cD"

        assert _analyzer(pattern, True)(text) == re.findall(pattern, text.lower())


@pytest.mark.parametrize(
    "parameters",
    [
        {"analyzer": "char_wb"},
        {"ngram_range": (1, 2)},
        {"strip_accents": "unicode"},
        {"sublinear_tf": False},
        {"norm": "l1"},
        {"use_idf": False},
        {"binary": True},
        {"tokenizer": str.split, "token_pattern": None},
        {"preprocessor": str.upper},
    ],
    ids=lambda one: next(iter(one)),
)
def test_what_the_form_cannot_say_is_not_compiled(parameters: dict[str, Any]) -> None:
    with pytest.raises(NotCompilable, match=next(iter(parameters))):
        compile_linear_text(fitted(**parameters))


def test_terms_without_a_weight_are_refused() -> None:
    whole = compile_linear_text(fitted())
    fewer = json.dumps(json.loads(whole.files[TERMS])[1:]).encode()
    cut = replace(whole, files={**whole.files, TERMS: fewer})

    with pytest.raises(Malformed, match="terms for"):
        load_linear_text(cut)
