"""Sender rewriting for forwarded mail (SRS, after M. Meng Weng Wong; OUT-8): ``SRS0=HASH=TT=domain=local@forwarder``.

So that SPF of the sender's domain does not fail at the next host, and bounces still find their way. The hash is keyed: only
addresses that this site has made lead back, so nobody relays by them. Knows no clock, no key's place, no directory.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from posthouse.model.address import Address

LIFETIME_DAYS = 21
DAY_S = 86_400
HASH_LENGTH = 8
MAX_LOCAL = 64
"""Longest local part (RFC 5321 §4.5.3.1.1)."""
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_CYCLE = len(_DIGITS) ** 2
_SEPARATORS = "=-+"


class NotOurs(ValueError):
    """An address that looks rewritten but was not made here, or too long ago."""


def is_rewritten(local: str) -> bool:
    """Whether a local part has the form of a rewritten sender."""
    return local[:4].upper() in ("SRS0", "SRS1") and len(local) > 5 and local[4] in _SEPARATORS


def rewritten(sender: Address, domain: str, key: bytes, now: float) -> Address | None:
    """The sender that mail forwarded in the name of ``domain`` leaves with; None if it would be longer than an address may be.

    A sender that another host has rewritten gets the short form (SRS1), which leads back by way of that host."""
    local = sender.local
    if local.startswith('"'):
        return None
    if is_rewritten(local):
        if local[:4].upper() == "SRS1":
            parts = local[5:].split("=", 2)
            if len(parts) != 3 or not parts[1]:
                return None
            host, rest = parts[1], parts[2]
        else:
            host, rest = sender.domain, local[4:]
        text = f"SRS1={_hash(key, host, rest)}={host}={rest}"
    else:
        stamp = _stamp(now)
        text = f"SRS0={_hash(key, stamp, sender.domain, local)}={stamp}={sender.domain}={local}"
    return Address(text, domain) if len(text) <= MAX_LOCAL else None


def original(local: str, key: bytes, now: float) -> Address:
    """Whom a rewritten local part leads back to. Raises NotOurs."""
    parts = local[5:].split("=", 3 if local[:4].upper() == "SRS0" else 2)
    if local[:4].upper() == "SRS0" and len(parts) == 4:
        mark, stamp, domain, rest = parts
        if not _same(mark, _hash(key, stamp.lower(), domain.lower(), rest)):
            raise NotOurs("the hash is wrong")
        if not _fresh(stamp.lower(), now):
            raise NotOurs("it is too old")
        return _address(rest, domain)
    if local[:4].upper() == "SRS1" and len(parts) == 3:
        mark, domain, rest = parts
        if not _same(mark, _hash(key, domain.lower(), rest)):
            raise NotOurs("the hash is wrong")
        return _address(f"SRS0{rest}", domain)
    raise NotOurs("its form is wrong")


def _address(local: str, domain: str) -> Address:
    try:
        return Address.parse(f"{local}@{domain}")
    except ValueError as error:
        raise NotOurs(str(error)) from None


def _hash(key: bytes, *parts: str) -> str:
    """Not by case: some hosts write local parts in lower case."""
    text = "\0".join(parts).lower().encode("utf-8", "surrogatepass")
    return base64.b32encode(hmac.digest(key, text, hashlib.sha256))[:HASH_LENGTH].decode("ascii").lower()


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.lower().encode("utf-8", "surrogatepass"), right.encode("ascii"))


def _stamp(now: float) -> str:
    high, low = divmod(int(now // DAY_S) % _CYCLE, len(_DIGITS))
    return _DIGITS[high] + _DIGITS[low]


def _fresh(stamp: str, now: float) -> bool:
    if len(stamp) != 2 or any(digit not in _DIGITS for digit in stamp):
        return False
    day = _DIGITS.index(stamp[0]) * len(_DIGITS) + _DIGITS.index(stamp[1])
    return (int(now // DAY_S) - day) % _CYCLE <= LIFETIME_DAYS
