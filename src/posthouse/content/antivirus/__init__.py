"""Virus scanning (CON-5): ``asking`` asks engines and remembers, ``mail`` takes a message apart for them, ``mending`` puts
notices or cleaned parts in the place of infected ones, ``alerts`` writes who is to be told.

Knows engines by ``interfaces.scanner`` alone. What follows from a finding is decided in ``pipeline/antivirus.py``.
"""
