"""Helpers that several packages of the tests share; `fixtures` is loaded for all of them."""
