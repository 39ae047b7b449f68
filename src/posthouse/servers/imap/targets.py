"""The mailbox that a command puts messages into, by name (RFC 9051 §6.3.12, §6.4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.servers.imap.places import Place, reach
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def target(session: ImapSession, name: str) -> Place:
    """A mailbox that is there and takes messages from this client. Raises Refused: TRYCREATE if it could be made, NOPERM."""
    place = await reach(session, name)
    if place.info is None or not place.info.selectable or (place.reader and not {"l", "i"} & set(place.rights)):
        raise Refused("There is no such mailbox", code="TRYCREATE")
    place.require("i")
    return place
