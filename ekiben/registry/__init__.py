"""Versions and who may serve: manifests, the model store, the production alias."""
