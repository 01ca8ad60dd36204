"""Versions of iris that pass every check when they are loaded, and fail later."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from ekiben.datasets import load
from ekiben.registry.manifest import Manifest
from ekiben.registry.store import Store
from ekiben.training import train
from ekiben.use_cases.catalog import get_use_case

IRIS = get_use_case("iris")
LATER = 100
"""Calls that go well: golden rows and warm-up are some of them."""


class FaultyTree:
    """A tree that has a fault from its call LATER on."""

    def __init__(self, tree: Any, fault: str, later: int) -> None:
        self.tree = tree
        self.fault = fault
        self.later = later
        self.calls = 0

    def predict(self, features: Any) -> Any:
        self.calls += 1
        answers = self.tree.predict(features)
        if self.calls < self.later:
            return answers
        if self.fault == "raises":
            raise RuntimeError("out of order")
        if self.fault == "raises for giants" and features[:, 3].max() > 2:
            raise RuntimeError("out of order")
        if self.fault == "greedy":
            bytearray(512 * 2**20)
        if self.fault == "sleeps":
            time.sleep(0.5)
        if self.fault == "lies":
            return answers[:, ::-1]
        if self.fault == "nan":
            return answers * np.nan
        return answers


class Faulty(BaseEstimator):  # type: ignore[misc]
    """Stands for the classifier in iris' pipeline: the use case asks its `tree_`."""

    def __init__(self, tree: Any = None, classes: Any = None) -> None:
        self.tree_ = tree
        self.classes_ = classes

    def fit(self, *_: Any) -> "Faulty":
        return self

    def predict(self, features: Any) -> Any:
        return self.classes_[self.tree_.predict(features).argmax(axis=1)]


def sound(store: Store, cache: Path, seed: int = 0) -> Manifest:
    """Register a version without fault."""
    return train(
        IRIS,
        load(IRIS.dataset, cache=cache, offline=True),
        store,
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
        seed=seed,
    )


def faulty(store: Store, like: Manifest, fault: str, later: int = LATER) -> Manifest:
    """Register a version that answers as *like* does until its fault comes."""
    (_, scaler), (_, classifier) = store.load(like.card.tag).estimator.steps
    tree = FaultyTree(classifier.tree_, fault, later)
    steps = [("scaler", scaler), ("tree", Faulty(tree, classifier.classes_))]
    _, files = store.read(like.card.tag)
    return store.register(
        "iris",
        Pipeline(steps),
        make_card=lambda tag: like.card.model_copy(
            update={"tag": tag, "compiled": None}
        ),
        golden=like.golden,
        extras={
            name: one for name, one in files.items() if name.startswith("evidence/")
        },
    )
