"""Helpers that several rooms of the tests share; `fixtures` is loaded for all of them."""
