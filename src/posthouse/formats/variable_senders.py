"""One form for senders that differ from message to message (GRY-2): VERP, BATV, SRS, bounce addresses with a number in them.

Greylisting compares senders; a list that writes the recipient or a serial number into its return path would otherwise be a
stranger each time. Only what is clearly variable is taken out: ``bounce-30481-9@`` changes, ``user42@`` does not. Sources: the
BATV draft (prvs=), RFC 3834-era VERP practice (``owner+jane=example.com@``), the Sender Rewriting Scheme (SRS0, SRS1).
"""

from __future__ import annotations

import re

VARIABLE = "#"
_BATV = re.compile(r"(?:prvs|msprvs1?)=[^=@]{4,32}=(.+)", re.S)
_BATV_OLD = re.compile(r"btv1==[^=@]{1,32}==(.+)", re.S)
_SRS0 = re.compile(r"srs0([+=-])[^=]{1,32}=[^=]{1,8}=(.+)", re.S)
_SRS1 = re.compile(r"srs1([+=-])[^=]{1,32}=([^=]+)==?[^=]{1,32}=[^=]{1,8}=(.+)", re.S)
_ENCODED_RECIPIENT = re.compile(r"^([^=]*?)[+._-][^+=]*=[^=]*$", re.S)
_PIECE = re.compile(r"[^+._=-]+")
_DIGITS = 4
_HEXADECIMAL = re.compile(r"(?=[^g-z]*[0-9])[0-9a-f]{8,}")
_SERIAL = re.compile(r"(?=(?:[^0-9]*[0-9]){4})[0-9a-z]{12,}")
MAX_CHARS = 320


def stable_local(local: str) -> str:
    """``local`` in lower case, its variable parts replaced by ``#``. Never fails; at most 320 characters come back."""
    text = local.lower()[:MAX_CHARS]
    if match := _BATV.fullmatch(text) or _BATV_OLD.fullmatch(text):
        text = match[1]
    if match := _SRS0.fullmatch(text):
        return f"srs0={VARIABLE}={match[2]}"
    if match := _SRS1.fullmatch(text):
        return f"srs1={VARIABLE}={match[2]}={match[3]}"
    if match := _ENCODED_RECIPIENT.match(text):
        text = f"{match[1]}+{VARIABLE}"
    pieces = _PIECE.findall(text)
    return _PIECE.sub(lambda piece: _piece(piece[0]), text) if len(pieces) > 1 else text


def _piece(piece: str) -> str:
    """One word between delimiters: a number, or a token that looks made up, is variable."""
    if piece.isdigit() and len(piece) >= _DIGITS:
        return VARIABLE
    return VARIABLE if _HEXADECIMAL.fullmatch(piece) or _SERIAL.fullmatch(piece) else piece
