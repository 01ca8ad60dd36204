"""Checked bytes to an estimator, the only place that unpickles."""

import io
from collections.abc import Mapping
from typing import Any

from ekiben.registry.files import Mismatch

MODULE = "bentoml.sklearn"
MODEL = "saved_model.pkl"
DESCRIPTION = "model.yaml"
CUSTOM_OBJECTS = "custom_objects.pkl"


def load_estimator(files: Mapping[str, bytes]) -> Any:
    """Load the estimator of a version's *files*, whose digests are known to be right.

    Raises:
        Mismatch: it is not what `bentoml.sklearn` saves, or cannot be unpickled.
    """
    if CUSTOM_OBJECTS in files:
        raise Mismatch(f"{CUSTOM_OBJECTS} is not allowed")
    for name in (DESCRIPTION, MODEL):
        if name not in files:
            raise Mismatch(f"{name} is missing")
    # Both take long to import, and a rollback loads nothing.
    import joblib
    import yaml

    try:
        described = yaml.safe_load(files[DESCRIPTION])
    except yaml.YAMLError:
        raise Mismatch(f"{DESCRIPTION} is not YAML") from None
    module = described.get("module") if isinstance(described, dict) else None
    if module != MODULE:
        raise Mismatch(f"{DESCRIPTION} names module {module!r}")
    try:
        return joblib.load(io.BytesIO(files[MODEL]))
    except Exception as error:
        raise Mismatch(f"{MODEL} cannot be loaded: {error!r}") from error
