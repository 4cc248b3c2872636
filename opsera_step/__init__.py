"""Run an Opsera pipeline from a CI job, follow its log, and end with its verdict."""

__version__ = "0.1.0"
