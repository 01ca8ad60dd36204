"""Ekiben: a production model server packaged with BentoML."""

__version__ = "0.1.0"
