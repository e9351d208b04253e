"""Trains a prior for sparse-view CT that knows what was measured; see README.md."""
