"""The use cases: one file per model, and the catalogue of them."""
