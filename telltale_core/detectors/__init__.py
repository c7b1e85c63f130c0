"""Other ways to find poison, behind one contract; Telltale's own detector is in :mod:`telltale_core.verdict`."""
