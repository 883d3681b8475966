"""Bulk loading into rate-limited HTTP APIs: exact limits, every record accounted for."""

from importlib.metadata import version

__version__ = version("ingest")
