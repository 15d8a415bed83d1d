"""Measurements: `python -m bench`, see README.md. Not part of the package."""
