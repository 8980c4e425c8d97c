"""Gare: release management on the Prefect workflow engine."""

__version__ = "0.1.0"
