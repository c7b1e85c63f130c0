"""Telltale's library: from a drop of samples to a verdict that can be defended, without Prefect and without a server.

Packages in the order of the pipeline: :mod:`drop` (ingest), :mod:`proxy` and :mod:`losslog` (train), :mod:`spectrum`,
:mod:`verdict` (cluster), :mod:`publish`; beside them :mod:`report`, and :mod:`stages`, which runs them by name.
"""

__version__ = "0.1.0"
