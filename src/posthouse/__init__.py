"""Posthouse: a complete, secure messaging system. Read ``pipeline/path.py`` first."""

__version__ = "0.1.0"
