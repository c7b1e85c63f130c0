"""Prefect tasks: one a stage, made from the pipeline's list in ``pipeline.py``, and what a run shows in the UI."""
