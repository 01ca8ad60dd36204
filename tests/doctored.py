"""Versions that are worse in one way each, made on a small table of employees."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from sklearn.base import BaseEstimator

from ekiben.datasets import Table
from ekiben.registry.store import Store
from ekiben.schemas.turnover import Employee
from ekiben.training import train
from ekiben.use_cases.turnover import ENCODING, TURNOVER
from ekiben.use_cases.use_case import UseCase

SLICED = replace(TURNOVER, scorer=lambda estimator: estimator.predict_proba)
"""Turnover asked through scikit-learn's door, so that any estimator will do."""
PLAIN = replace(SLICED, slices={})
"""The same without slices, which take most of a comparison's time."""
ROWS = 3000


class Narrow(Employee):
    """An employee of twenty years at most, where sixty were taken before."""

    time_spend_company: Annotated[int, Field(ge=0, le=20)]


class Worse(BaseEstimator):  # type: ignore[misc]
    """An estimator with one fault, or with none."""

    def __init__(self, inner: Any, fault: str = "") -> None:
        self.inner = inner
        self.fault = fault

    def fit(self, features: Any, labels: Any) -> "Worse":
        if self.fault == "shuffled":
            labels = np.random.default_rng(0).permutation(labels)
        self.inner.fit(features, labels)
        self.classes_ = self.inner.classes_
        return self

    def predict_proba(self, features: Any) -> Any:
        stated = self.inner.predict_proba(features)[:, 1]
        if self.fault == "one slice":
            department = ENCODING.fields.index("department")
            sales = ENCODING.categories["department"].index("sales")
            stated = np.where(features[:, department] == sales, 0.01, stated)
        if self.fault == "squared":
            stated = stated**2
        if self.fault.startswith("sleeps"):
            time.sleep(float(self.fault.split()[1]) / 1000)
        return np.column_stack((1 - stated, stated))


def small(table: Table) -> Table:
    card = table.card.model_copy(update={"rows": ROWS, "kind": "real"})
    return Table(table.frame.iloc[:ROWS].reset_index(drop=True), card)


def with_fault(fault: str, use_case: UseCase = PLAIN) -> UseCase:
    return replace(use_case, build=lambda seed: Worse(TURNOVER.build(seed), fault))


def trained(store: Store, use_case: UseCase, table: Table, seed: int = 0) -> str:
    manifest = train(
        use_case,
        table,
        store,
        now=lambda: datetime.now(UTC),
        clock=time.perf_counter,
        seed=seed,
    )
    return manifest.card.tag


def registered_again(
    store: Store,
    tag: str,
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda card: {},
    **changed: Any,
) -> str:
    """Register the version *tag* anew with parts of its card or evidence changed."""
    manifest, files = store.read(tag)
    card = manifest.card
    asked: dict[str, Any] = {
        "golden": manifest.golden,
        "extras": {name: one for name, one in files.items() if "/" in name},
    }
    facts = change(card.model_dump())
    again = store.register(
        card.use_case,
        store.load(tag).estimator,
        make_card=lambda new: type(card)(**(card.model_dump() | facts | {"tag": new})),
        **(asked | changed),
    )
    return again.card.tag
