"""Fitted models as plain files, and what scores rows by them: no pickle, scikit-learn, SciPy or pandas."""
