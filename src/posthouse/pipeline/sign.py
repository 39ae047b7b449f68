"""Stage ``sign``: DKIM signatures on mail of logged-in senders (OUT-8).

Stands after everything that may change a message. Signs in the name of the author's domain, and only for accounts of that
domain: no user gets another domain's signature, and what a stranger brings is never signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from posthouse.base.clock import Clock
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.sign import Signer, signature_value
from posthouse.mailauth.dkim.signed_header import Fields
from posthouse.mailauth.message import Message
from posthouse.mailauth.verify import author_of
from posthouse.model.settings import Settings
from posthouse.model.verdict import Reason, Tag, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

IN_THREAD_BYTES = 256 << 10


class Sign(Stage):
    name = "sign"

    def __init__(self, settings: Callable[[], Settings], keys: SigningKeys, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        if not transaction.session.account or not self._settings().mailauth.sign:
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


def _signatures(message: Message, signers: Sequence[Signer], now: float) -> list[str]:
    fields, bodies = Fields(message), Bodies(message.body)
    return [signature_value(signer, fields, bodies, now) for signer in signers]
