"""The Received field that this host puts in front of what it accepts (RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3).

The client's HELO is a stranger's text: what could break the field or pass for something else is replaced. A recipient is
named only when it is the only one, so that nobody learns of others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from posthouse.formats import dates
from posthouse.model.envelope import Recipient
from posthouse.model.session import Session

MAX_LINE = 78

_MAX_NAME = 255
_FOREIGN = re.compile(r"[^A-Za-z0-9.:_\[\]\-\x80-\U0010ffff]")


def render(
    session: Session,
    *,
    by: str,
    trace_id: str,
    recipients: Sequence[Recipient],
    at: float,
    smtputf8: bool = False,
    priority: int = 0,
) -> bytes:
    """The whole field in UTF-8, folded, with its final CRLF. ``by`` is this host's name, ``at`` seconds since 1970; a
    ``priority`` that is not the usual one is told (RFC 6710 §4.2)."""
    protocol = session.protocol
    if smtputf8:
        protocol = "UTF8" + protocol.removeprefix("E")
    clauses = [f"from {_clean(session.helo) or 'unknown'}", f"({known_as(session.host, session.client_address)})", f"by {by}"]
    clauses.append(f"with {protocol}")
    if session.tls:
        clauses.append(f"({session.tls.version} {session.tls.cipher})")
    clauses.append(f"id {trace_id}")
    if len(recipients) == 1:
        clauses.append(f"for <{recipients[0]}>")
    if priority:
        clauses.append(f"priority {priority}")
    return _folded("Received:", [*clauses[:-1], clauses[-1] + ";", dates.render(at)])


def known_as(host: str, address: str) -> str:
    """A client as people know it: its verified name, if it has one, and its address in brackets."""
    return f"{_clean(host)} {_literal(address)}" if host else _literal(address)


def _folded(name: str, clauses: list[str]) -> bytes:
    lines, line = [], name
    for clause in clauses:
        if len(line) + 1 + len(clause) > MAX_LINE:
            lines.append(line)
            line = "\t" + clause
        else:
            line = f"{line} {clause}"
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")


def _clean(name: str) -> str:
    return _FOREIGN.sub("?", name[:_MAX_NAME])


def _literal(address: str) -> str:
    """An IP address as RFC 5321 §4.1.3 writes it."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
