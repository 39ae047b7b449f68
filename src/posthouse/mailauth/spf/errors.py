"""Why a check of SPF ends early (RFC 7208 §2.6.6, §2.6.7)."""

from __future__ import annotations


class PermError(Exception):
    """The published records cannot be interpreted, or go beyond the limits."""


class TempError(Exception):
    """DNS gave no answer."""
