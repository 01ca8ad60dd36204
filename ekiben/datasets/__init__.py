"""Where training tables come from, and what they must look like."""

from ekiben.datasets.dataset import Dataset, PublicFile, Table, load

__all__ = ["Dataset", "PublicFile", "Table", "load"]
