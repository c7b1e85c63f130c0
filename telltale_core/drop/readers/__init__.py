"""Readers of drop formats: each yields the rows of a drop in the order of the source, and rebuilds their payload."""
