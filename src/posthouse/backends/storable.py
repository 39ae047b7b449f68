"""Strangers' texts in a form that every database keeps and compares alike: UTF-8 without control characters."""

from __future__ import annotations

import re

from posthouse.model.triplet import Triplet

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def storable(text: str) -> str:
    """``text`` with octets that are not UTF-8 and control characters spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text.encode("utf-8", "backslashreplace").decode())


def stored(triplet: Triplet) -> Triplet:
    """``triplet`` as it is kept."""
    if all(text.isascii() and text.isprintable() for text in (triplet.sender, triplet.recipient)):
        return triplet
    return Triplet(triplet.network, storable(triplet.sender), storable(triplet.recipient), storable(triplet.domain))
