"""Tests on real images and containers; `make e2e` runs them."""
