"""Stage ``sign``: DKIM signatures on mail of logged-in senders, ARC seals on what is forwarded (OUT-8).

Stands after everything that may change a message. Signs in the name of the author's domain, and only for accounts of that
domain: no user gets another domain's signature, and what a stranger brings is never signed. What a stranger brings and an
address here sends on is sealed in the name of that address's domain: the next host learns what we saw (RFC 8617).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeGuard

from posthouse.base.clock import Clock
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.mailauth import results
from posthouse.mailauth.arc_seal import seal
from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.sign import Signer, signature_value
from posthouse.mailauth.dkim.signed_header import Fields
from posthouse.mailauth.dkim.verify import Signed
from posthouse.mailauth.message import Message
from posthouse.mailauth.verify import author_of
from posthouse.model.plan import Destination, ToQueue
from posthouse.model.settings import Settings
from posthouse.model.verdict import Reason, Tag, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

IN_THREAD_BYTES = 256 << 10


class Sign(Stage):
    name = "sign"

    def __init__(self, settings: Callable[[], Settings], keys: SigningKeys, clock: Clock, node_name: str) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._node_name = node_name

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        if not transaction.session.account:
            return await self._sealed(transaction)
        if not self._settings().mailauth.sign:
            return ()
        assert transaction.summary is not None, "the driver sets the summary before it asks"
        message = Message.of(transaction.content, transaction.summary)
        author = author_of(message).domain
        own = transaction.session.account.rpartition("@")[2].lower() == author
        keys = await self._keys.active_keys(author) if own else ()
        if not keys:
            return ()
        signers = [Signer(key.domain, key.selector, key.private_key) for key in keys]
        if len(message.content) > IN_THREAD_BYTES:
            values = await asyncio.to_thread(_signatures, message, signers, self._clock.now())
        else:
            values = _signatures(message, signers, self._clock.now())
        return [
            Tag(
                "DKIM-Signature",
                value,
                Reason(self.name, "dkim", f"signed for {key.domain} with {key.selector}, {key.algorithm}"),
            )
            for key, value in zip(keys, values, strict=True)
        ]

    async def _sealed(self, transaction: Transaction) -> Sequence[Verdict]:
        """The set of ARC fields, the seal last so that it comes on top; none if nothing was checked or there is no key."""
        settings, report = self._settings(), transaction.auth
        forwarder = next((each.original for each in transaction.destinations if _is_forwarded(each)), "")
        if report is None or not forwarder or not settings.mailauth.seal:
            return ()
        keys = await self._keys.active_keys(forwarder.rpartition("@")[2].lower())
        if not keys:
            return ()
        key = next((each for each in keys if each.algorithm == "rsa-sha256"), keys[0])
        signer = Signer(key.domain, key.selector, key.private_key)
        assert transaction.summary is not None, "the driver sets the summary before it asks"
        message = Message.of(transaction.content, transaction.summary)
        said = results.compose(settings.mailauth.authserv_id or settings.smtp.hostname or self._node_name, report)

        def fields() -> list[tuple[str, str]]:
            return seal(Signed(Fields(message), Bodies(message.body)), signer, report.arc, said, self._clock.now())

        found = await asyncio.to_thread(fields) if len(message.content) > IN_THREAD_BYTES else fields()
        reason = Reason(self.name, "arc", f"sealed for {key.domain} with {key.selector}: {forwarder} sends it on")
        return [Tag(name, value, reason) for name, value in reversed(found)]


def _is_forwarded(destination: Destination) -> TypeGuard[ToQueue]:
    """Whether an address here sends it to a stranger's host."""
    return isinstance(destination, ToQueue) and bool(destination.original) and not destination.next_hop


def _signatures(message: Message, signers: Sequence[Signer], now: float) -> list[str]:
    fields, bodies = Fields(message), Bodies(message.body)
    return [signature_value(signer, fields, bodies, now) for signer in signers]
