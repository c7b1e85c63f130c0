"""One thin Prefect task a stage, named as the stage."""
