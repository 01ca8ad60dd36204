"""A candidate beside the incumbent: both answer the same rows, and the gates judge."""

from ekiben.comparison.judge import NotComparable, check, compare

__all__ = ["NotComparable", "check", "compare"]
