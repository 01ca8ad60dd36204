"""Where training tables come from, and what they must look like."""

from ekiben.datasets.dataset import (
    Dataset,
    PublicFile,
    Source,
    Table,
    choose,
    load,
)

__all__ = ["Dataset", "PublicFile", "Source", "Table", "choose", "load"]
