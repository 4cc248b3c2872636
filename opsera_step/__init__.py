"""Run an Opsera pipeline from a CI job, stream its log, and exit with its result."""

__version__ = "0.1.0"
