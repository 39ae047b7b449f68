"""Which sender forwarded mail leaves with, and whom a rewritten sender leads back to (SRS, OUT-8).

Only a stranger's address is rewritten, in the name of the domain that forwards: a sender of ours may be sent from here anyway.
The form is ``formats/srs.py``'s; the key is made from the node's secret, so that all its processes share it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace

from posthouse.base.clock import Clock
from posthouse.formats import srs
from posthouse.interfaces.directory import Directory
from posthouse.model.address import Address
from posthouse.model.envelope import Sender
from posthouse.model.settings import Settings


class SenderRewriting:
    """``secret`` is the node's; another key comes of it."""

    def __init__(self, secret: bytes, directory: Directory, settings: Callable[[], Settings], clock: Clock) -> None:
        self._key = hmac.digest(secret, b"sender rewriting", hashlib.sha256)
        self._directory = directory
        self._settings = settings
        self._clock = clock

    async def forwarded(self, sender: Sender, forwarder: str) -> Sender:
        """The sender of mail that ``forwarder``, an address here, passes on; as it was where nothing needs to be rewritten."""
        address = sender.address
        if address is None or not self._settings().mailauth.srs:
            return sender
        domain = forwarder.rpartition("@")[2].lower()
        if not domain or not address.domain or await self._directory.domain(address.domain) is not None:
            return sender
        made = srs.rewritten(address, domain, self._key, self._clock.now())
        return replace(sender, address=made) if made is not None else sender

    def original(self, address: Address) -> Address | None:
        """Whom a rewritten sender of ours leads back to; None for every other address."""
        if not srs.is_rewritten(address.local):
            return None
        try:
            return srs.original(address.local, self._key, self._clock.now())
        except srs.NotOurs:
            return None
