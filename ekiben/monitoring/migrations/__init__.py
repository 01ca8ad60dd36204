"""The tables of the prediction log."""
