"""The ESMTP parameters of MAIL and RCPT, and xtext (RFC 5321 §4.1.2, 1870, 3030, 3461, 4954, 6152, 6531, 6533, 8689).

A parameter that is unknown, or not on offer, is refused with 555; a malformed one with 501. What is decoded from xtext
holds no control characters, so it can stand in headers and DSNs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, cast

from posthouse.model.address import Address
from posthouse.model.envelope import Body, Notify, Recipient, Sender
from posthouse.protocols.smtp import wishes
from posthouse.protocols.smtp.config import Offers, ServerConfig
from posthouse.protocols.smtp.replies import CommandRefused

_XTEXT = re.compile(r"(?:[!-*,-<>-~\x80-\U0010ffff]|\+[0-9A-F]{2})*")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-]*")
_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+\-/?^_`{|}~.]{1,64}")
_TO_XTEXT = re.compile(r"[^!-*,-<>-~]")
_NOTIFY = {"NEVER", "SUCCESS", "FAILURE", "DELAY"}

MAX_ENVID = 100
MAX_ORCPT = 500


def from_xtext(text: str) -> str:
    """Decoded xtext (RFC 3461 §4). Raises ValueError on a malformed one, or when it decodes to control characters."""
    if not _XTEXT.fullmatch(text):
        raise ValueError("malformed xtext")
    if "+" in text:
        text = _HEX.sub(lambda match: chr(int(match[1], 16)), text)
    if not all(" " <= char <= "~" or char >= "\xa0" for char in text):
        raise ValueError("control characters in xtext")
    return text


def to_xtext(text: str) -> str:
    """ASCII ``text`` as xtext. Characters beyond ASCII become ``\\x{HEX}`` first, as RFC 6533 §3 writes them."""
    if not text.isascii():
        text = "".join(char if char.isascii() else f"\\x{{{ord(char):X}}}" for char in text)
    return _TO_XTEXT.sub(lambda match: f"+{ord(match[0]):02X}", text)


def split_parameters(text: str) -> dict[str, str | None]:
    """Keywords in upper case with their values, None for those without ``=``. Raises CommandRefused."""
    found: dict[str, str | None] = {}
    for word in text.split():
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if not _KEYWORD.fullmatch(keyword) or (equals and (not value or "=" in value)):
            raise CommandRefused(501, "5.5.4", "Malformed parameter")
        if keyword in found:
            raise CommandRefused(501, "5.5.4", f"{keyword} is given twice")
        found[keyword] = value if equals else None
    return found


def sender(address: Address | None, parameters: dict[str, str | None], config: ServerConfig, offers: Offers) -> Sender:
    """A checked MAIL. Raises CommandRefused."""
    if not parameters:
        return Sender(address)
    fields: dict[str, Any] = {}
    for keyword, value in parameters.items():
        parse = _MAIL.get(keyword)
        if not (parse or keyword in wishes.NAMES) or not _offered(keyword, config, offers):
            raise CommandRefused(555, "5.5.4", f"{keyword} is not a parameter of MAIL here")
        if parse is None:
            wishes.read(fields, keyword, value, offers.future_release)
        else:
            parse(fields, value)
    if fields.get("size_bytes", 0) > config.max_message_bytes:
        raise CommandRefused(552, "5.3.4", f"The message is larger than {config.max_message_bytes} octets")
    if fields.get("body") == "BINARYMIME" and not (config.chunking and config.binarymime):
        raise CommandRefused(555, "5.5.4", "BINARYMIME is not offered")
    return Sender(address, **fields)


def recipient(address: Address, parameters: dict[str, str | None], config: ServerConfig) -> Recipient:
    """A checked RCPT. Raises CommandRefused."""
    if not parameters:
        return Recipient(address)
    notify: frozenset[Notify] = frozenset()
    orcpt = ""
    for keyword, value in parameters.items():
        if keyword == "NOTIFY" and config.dsn:
            notify = _notify(value)
        elif keyword == "ORCPT" and config.dsn:
            orcpt = _orcpt(value)
        else:
            raise CommandRefused(555, "5.5.4", f"{keyword} is not a parameter of RCPT here")
    return Recipient(address, notify, orcpt)


def _offered(keyword: str, config: ServerConfig, offers: Offers) -> bool:
    if keyword in ("RET", "ENVID"):
        return config.dsn
    if keyword == "SMTPUTF8":
        return config.smtputf8
    if keyword in wishes.HOLDS:
        return offers.future_release is not None
    if keyword in wishes.NAMES:
        return offers.wishes
    return offers.requiretls if keyword == "REQUIRETLS" else True


def _bad(keyword: str) -> CommandRefused:
    return CommandRefused(501, "5.5.4", f"Malformed value of {keyword}")


def _size(fields: dict[str, Any], value: str | None) -> None:
    if not value or len(value) > 20 or not (value.isascii() and value.isdigit()):
        raise _bad("SIZE")
    fields["size_bytes"] = int(value)


def _body(fields: dict[str, Any], value: str | None) -> None:
    name = (value or "").upper()
    if name not in ("7BIT", "8BITMIME", "BINARYMIME"):
        raise _bad("BODY")
    fields["body"] = cast(Body, name)


def _smtputf8(fields: dict[str, Any], value: str | None) -> None:
    if value is not None:
        raise _bad("SMTPUTF8")
    fields["smtputf8"] = True


def _requiretls(fields: dict[str, Any], value: str | None) -> None:
    if value is not None:
        raise _bad("REQUIRETLS")
    fields["require_tls"] = True


def _ret(fields: dict[str, Any], value: str | None) -> None:
    name = (value or "").upper()
    if name not in ("FULL", "HDRS"):
        raise _bad("RET")
    fields["ret"] = cast(Literal["FULL", "HDRS"], name)


def _envid(fields: dict[str, Any], value: str | None) -> None:
    fields["envid"] = _decoded("ENVID", value, MAX_ENVID)


def _auth(fields: dict[str, Any], value: str | None) -> None:
    """AUTH=<> or a mailbox in xtext (RFC 4954 §5); whether to believe it is policy."""
    fields["auth"] = "<>" if value == "<>" else _decoded("AUTH", value, 500)


def _decoded(keyword: str, value: str | None, limit: int) -> str:
    if not value or len(value) > limit:
        raise _bad(keyword)
    try:
        return from_xtext(value)
    except ValueError:
        raise _bad(keyword) from None


def _notify(value: str | None) -> frozenset[Notify]:
    words = (value or "").upper().split(",")
    chosen = frozenset(words)
    if not chosen <= _NOTIFY or len(chosen) != len(words) or ("NEVER" in chosen and len(chosen) > 1):
        raise _bad("NOTIFY")
    return cast(frozenset[Notify], chosen)


def _orcpt(value: str | None) -> str:
    kind, semicolon, address = (value or "").partition(";")
    if not semicolon or not _TYPE.fullmatch(kind):
        raise _bad("ORCPT")
    return f"{kind.lower()};{_decoded('ORCPT', address, MAX_ORCPT)}"


_MAIL: dict[str, Callable[[dict[str, Any], str | None], None]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "REQUIRETLS": _requiretls,
    "RET": _ret,
    "ENVID": _envid,
    "AUTH": _auth,
}
