"""Part of stage ``envelope``: what a client calls itself (INB-1).

Malformed names are refused on port 25 at once; users' programs, which often know no better name than their computer's, say
one label or an address and pass. A stranger that calls itself by this node's name lies, and is refused. That the name is not
the verified one is recorded, and refuses only if the administrator asks for it: RFC 5321 §4.1.4 forbids it otherwise.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

MALFORMED = Reply(501, "5.5.2", "That is neither a host name nor an address literal")
NOT_YOU = Reply(550, "5.7.1", "That name is mine")
MISMATCH = Reply(550, "5.7.25", "Your greeting does not fit the name of your address")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?")
_ALL_DIGITS = re.compile(r"[0-9.]+")


class Greeting(Stage):
    name = "helo"

    def __init__(self, settings: Callable[[], Settings], node_name: str) -> None:
        self._settings = settings
        self._node_name = node_name

    async def helo(self, session: Session) -> Verdict | None:
        smtp = self._settings().smtp
        if not smtp.helo_check or session.service != "smtp" or session.account or session.relay:
            return None
        if not well_formed(session.helo):
            return Refuse(MALFORMED, Reason(self.name, "malformed", f"greeted as {session.helo!r}"))
        if session.is_stranger and self._is_ours(session):
            return Refuse(NOT_YOU, Reason(self.name, "own-name", f"{session.client_address} greeted as {session.helo}"))
        return None

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        session = transaction.session
        if not session.is_stranger or session.host_state in ("", "unknown") or _fits(session):
            return None
        known = f"its address is {session.host}" if session.host else "its address has no verified name"
        reason = Reason(self.name, "mismatch", f"greeted as {session.helo}, {known}")
        return Refuse(MISMATCH, reason) if self._settings().smtp.helo_mismatch == "reject" else Continue(reason)

    def _is_ours(self, session: Session) -> bool:
        own = {name.lower() for name in (self._settings().smtp.hostname, self._node_name) if name}
        literal = _literal(session.helo)
        return _plain(session.helo) in own or (literal is not None and literal == _address(session.server_address))


def well_formed(name: str) -> bool:
    """A domain of one or more labels, or an address literal (RFC 5321 §4.1.2, §4.1.3). Underscores pass, since host names of
    Windows have them; a bare address does not, since no domain ends in digits."""
    if name.startswith("["):
        return _literal(name) is not None
    return _NAME.fullmatch(name) is not None and _ALL_DIGITS.fullmatch(name) is None


def _fits(session: Session) -> bool:
    literal = _literal(session.helo)
    if literal is not None:
        return literal == _address(session.client_address)
    return bool(session.host) and _plain(session.helo) == session.host


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _literal(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``; None for anything else."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    inner = text[1:-1]
    if inner[:5].lower() == "ipv6:":
        found = _address(inner[5:])
        return found if isinstance(found, ipaddress.IPv6Address) else None
    found = _address(inner)
    return found if isinstance(found, ipaddress.IPv4Address) else None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
