"""Measurements whose results stand in this package's README."""
