"""Stage ``sign``: DKIM signatures on mail of logged-in senders, ARC seals on what is forwarded (OUT-8).

Stands after everything that may change a message; each form that filters made is signed. Signs in the name of the author's
domain, and only for accounts of that domain, or that may send as the author (OUT-3): no user gets another domain's signature,
and what a stranger brings is never signed. What a stranger brings and an address here sends on is sealed in the name of that
address's domain: the next host learns what we saw (RFC 8617).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeGuard

from posthouse.base.clock import Clock
from posthouse.directory.permitted_senders import PermittedSenders
from posthouse.formats import addresslist
from posthouse.formats.headers import unfold
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.mailauth import results
from posthouse.mailauth.arc_seal import seal
from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.sign import Signer, signature_value
from posthouse.mailauth.dkim.signed_header import Fields
from posthouse.mailauth.dkim.verify import Signed
from posthouse.mailauth.message import Message
from posthouse.mailauth.verify import author_of
from posthouse.model.address import Address
from posthouse.model.plan import Destination, ToQueue
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.copies import Form, off_loop
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.trace_header import put_late_tags, put_on_top
from posthouse.pipeline.transaction import Transaction

MAX_AUTHORS = 10


class Sign(Stage):
    name = "sign"

    def __init__(
        self,
        settings: Callable[[], Settings],
        keys: SigningKeys,
        permitted: PermittedSenders,
        clock: Clock,
        node_name: str,
    ) -> None:
        self._settings = settings
        self._permitted = permitted
        self._keys = keys
        self._clock = clock
        self._node_name = node_name

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        if not transaction.session.account:
            return await self._sealed(transaction)
        if not self._settings().mailauth.sign:
            return ()
        message = Message.of(transaction.content, transaction.form.summary)
        author = author_of(message).domain
        keys = await self._keys.active_keys(author) if author else ()
        if not keys or not await self._speaks_for(transaction.session.account, author, message):
            return ()
        await put_late_tags(transaction)
        signers = [Signer(key.domain, key.selector, key.private_key) for key in keys]
        for form in transaction.forms:
            values = await off_loop(len(form.content), partial(_signatures, form, signers, self._clock.now()))
            await put_on_top(form, [("DKIM-Signature", value) for value in values])
        return [
            Continue(Reason(self.name, "dkim", f"signed for {key.domain} with {key.selector}, {key.algorithm}")) for key in keys
        ]

    async def _speaks_for(self, account: str, author: str, message: Message) -> bool:
        """Whether it is of the author's domain, or may send as each author that From names. Raises Temporary."""
        if account.rpartition("@")[2].lower() == author:
            return True
        try:
            own = Address.parse(account)
            entries = addresslist.entries(unfold(message.value(message.named("from")[0])))
            authors = [Address.parse(f"{local}@{domain}") for _, local, domain in entries if local and domain]
        except ValueError:
            return False
        return 0 < len(authors) <= MAX_AUTHORS and all([await self._permitted.why(own, each) for each in authors])

    async def _sealed(self, transaction: Transaction) -> Sequence[Verdict]:
        """The set of ARC fields, the seal last so that it comes on top; none if nothing was checked or there is no key."""
        settings, report = self._settings(), transaction.auth
        onward = [(copy, copy.destination.original) for copy in transaction.copies if _is_forwarded(copy.destination)]
        if report is None or not onward or not settings.mailauth.seal:
            return ()
        forwarder = onward[0][1]
        keys = await self._keys.active_keys(forwarder.rpartition("@")[2].lower())
        if not keys:
            return ()
        key = next((each for each in keys if each.algorithm == "rsa-sha256"), keys[0])
        signer = Signer(key.domain, key.selector, key.private_key)
        said = results.compose(settings.mailauth.authserv_id or settings.smtp.hostname or self._node_name, report)
        await put_late_tags(transaction)

        def fields(form: Form) -> list[tuple[str, str]]:
            message = Message.of(form.content, form.summary)
            return seal(Signed(Fields(message), Bodies(message.body)), signer, report.arc, said, self._clock.now())

        done = False
        for form in dict.fromkeys(copy.form for copy, _ in onward):
            if found := await off_loop(len(form.content), partial(fields, form)):
                await put_on_top(form, list(reversed(found)))
                done = True
        if not done:
            return ()
        detail = f"sealed for {key.domain} with {key.selector}: {forwarder} sends it on"
        return [Continue(Reason(self.name, "arc", detail))]


def _is_forwarded(destination: Destination) -> TypeGuard[ToQueue]:
    """Whether an address here sends it to a stranger's host."""
    return isinstance(destination, ToQueue) and bool(destination.original) and not destination.next_hop


def _signatures(form: Form, signers: Sequence[Signer], now: float) -> list[str]:
    message = Message.of(form.content, form.summary)
    fields, bodies = Fields(message), Bodies(message.body)
    return [signature_value(signer, fields, bodies, now) for signer in signers]
