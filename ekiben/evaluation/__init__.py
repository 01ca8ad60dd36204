"""How good a version is on rows that it has not seen."""

from ekiben.evaluation.intervals import evaluate
from ekiben.evaluation.measures import METRICS, Outcome

__all__ = ["METRICS", "Outcome", "evaluate"]
