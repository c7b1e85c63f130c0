"""Measurements whose results stand in this room's README."""
