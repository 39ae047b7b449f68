"""DKIM signatures on what the node itself writes: bounces, answers of filters, letters, reports (OUT-8). They come from the
null sender, so that often nothing but a signature speaks for them.

Failing: open. What cannot be signed now leaves without a signature.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.formats.folding import fold
from posthouse.formats.mime import summarise
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.sign import Signer, signature_value
from posthouse.mailauth.dkim.signed_header import Fields
from posthouse.mailauth.message import Message
from posthouse.mailauth.verify import author_of
from posthouse.model.settings import Settings
from posthouse.model.signing_key import SigningKey

MAX_LABELS_ABOVE = 3

_log = log.get("sign")


class OwnSignature:
    """Signs with the keys of the author's domain."""

    def __init__(self, settings: Callable[[], Settings], keys: SigningKeys, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock

    async def of_node(self, content: bytes) -> bytes:
        """A message of the node's own name, whose key may be that of a domain above."""
        return await self._signed(content, "")

    async def of_user(self, content: bytes, domain: str) -> bytes:
        """A message that a user of ``domain`` has a filter write; in another domain's name it is not signed."""
        return await self._signed(content, domain.lower())

    async def _signed(self, content: bytes, only: str) -> bytes:
        if not self._settings().mailauth.sign:
            return content
        message = Message.of(content, await asyncio.to_thread(summarise, content))
        author = author_of(message).domain
        if not author or (only and author != only):
            return content
        labels = author.split(".")
        names = [author] if only else [".".join(labels[at:]) for at in range(len(labels) - 1)][: MAX_LABELS_ABOVE + 1]
        try:
            for name in names:
                if keys := await self._keys.active_keys(name):
                    return await sign(message, keys, self._clock.now())
        except MailError as error:
            _log.warning("own-mail-not-signed", domain=author, cause=error.cause or error.public)
        return content


async def sign(message: Message, keys: Sequence[SigningKey], now: float) -> bytes:
    """Its octets with the signatures of all ``keys`` on top; made in a thread."""

    def fields() -> bytes:
        signers = [Signer(key.domain, key.selector, key.private_key) for key in keys]
        values = [signature_value(signer, Fields(message), Bodies(message.body), now) for signer in signers]
        return b"".join(fold("DKIM-Signature", value) for value in values)

    return await asyncio.to_thread(fields) + message.content
