"""Predictions that are in the log, and what to say of them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from ekiben.monitoring.feedback_store import FeedbackStore
from ekiben.settings import Settings

PATIENCE_SECONDS = 20.0
"""Far more than a flush of the log takes."""
UNKNOWN = "0195519d-8f40-7c52-9d43-0f2b8c61e7aa"
"""The id of no prediction, so old that nobody waits for it."""


def log_of(home: Path) -> FeedbackStore:
    return FeedbackStore.open(Settings(home=home).log_url)


def predict(
    client: httpx.Client, log: FeedbackStore, use_case: str, rows: Sequence[Any]
) -> list[dict[str, Any]]:
    """Ask for predictions and return them when the log holds them."""
    response = client.post(f"/v1/{use_case}/predict", json={"rows": rows})
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()
    ids = {one["prediction_id"] for one in answers}
    until = time.monotonic() + PATIENCE_SECONDS
    while log.known(use_case, ids) != ids:
        assert time.monotonic() < until, "the log misses predictions"
        time.sleep(0.1)
    return answers


def tell(
    client: httpx.Client, use_case: str, labels: dict[str, Any], **more: Any
) -> httpx.Response:
    """Post labels by prediction id."""
    items = [{"prediction_id": one, "label": told} for one, told in labels.items()]
    return client.post(f"/v1/{use_case}/feedback", json={"items": items}, **more)
