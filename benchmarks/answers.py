"""What is wrong with an answer to a predict request."""

import json
from typing import Any


def fault(use_case: str, rows: int, status: int, body: str | None) -> str:
    """Return what is wrong with the answer to *rows* rows; empty when nothing is."""
    if status != 200:
        return f"status {status}"
    try:
        predictions = json.loads(body or "")
    except ValueError:
        return "not JSON"
    if not isinstance(predictions, list) or len(predictions) != rows:
        return f"not an array of {rows} predictions"
    wrong = sum(not _is_prediction(use_case, one) for one in predictions)
    return f"{wrong} predictions without id or tag" if wrong else ""


def _is_prediction(use_case: str, one: Any) -> bool:
    if not isinstance(one, dict):
        return False
    tag = one.get("model")
    is_tag = isinstance(tag, str) and tag.startswith(f"{use_case}:")
    return is_tag and isinstance(one.get("prediction_id"), str)
