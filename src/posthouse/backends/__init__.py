"""Implementations of the interfaces, one room for each engine. Imported by roles.bootstrap alone (and by tests)."""
