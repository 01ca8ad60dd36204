"""From logged rows with feedback, and the original table, to a version beside production."""

from ekiben.retraining.job import FEWEST_LABELLED, Retrained, Window, gather, retrain

__all__ = ["FEWEST_LABELLED", "Retrained", "Window", "gather", "retrain"]
