"""Backends on PostgreSQL, for what several nodes share. The driver is the extra ``postgres``."""
