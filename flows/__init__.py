"""What starts and shows runs: the flow ``cleanse`` and the command line."""
