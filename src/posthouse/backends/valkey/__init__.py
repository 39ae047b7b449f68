"""Backends on Valkey (or Redis), for what several nodes share. The driver is the extra ``redis``."""
