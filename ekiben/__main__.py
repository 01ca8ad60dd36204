"""Runs the command line as `python -m ekiben`."""

from ekiben.cli import main

main()
