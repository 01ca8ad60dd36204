"""Generators of the offline samples: made-up rows that are as hard as the public ones, the same on every call."""
