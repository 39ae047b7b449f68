"""Stage ``sender-policy``: as whom our own people send, and how much (OUT-2 to OUT-5, INB-6).

Concerns clients that logged in; masquerading also hosts that may relay. Both the envelope's sender and the authors in the
header are held to the account's addresses: what is not one of them is refused, or replaced. The account stands in the
envelope's AUTH (RFC 4954 §5), so that the queue knows whose message it is. Failing: closed. If the directory cannot be asked,
the sender tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from posthouse.base.errors import Permanent
from posthouse.directory.permitted_senders import PermittedSenders
from posthouse.directory.resolve import RecipientResolver
from posthouse.formats import author_fields
from posthouse.formats.mime import Limits, summarise
from posthouse.interfaces.counters import Counters
from posthouse.interfaces.spool import Postponed, none_postponed
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.session import Session
from posthouse.model.settings import Settings, SubmissionSettings
from posthouse.model.verdict import Continue, Defer, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.copies import off_loop
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

HOUR_S = 3600.0
MAX_AUTHORS = 100
MAX_LISTED = 250
TOO_MANY = Reply(550, "5.7.1", "The message has too many authors")


@dataclass(frozen=True, slots=True)
class Amounts:
    """What tells how much an account sends: ``counters`` by the hour, ``postponed`` what waits for its time."""

    counters: Counters
    postponed: Postponed = none_postponed


class SenderPolicy(Stage):
    name = "sender-policy"

    def __init__(
        self, settings: Callable[[], Settings], permitted: PermittedSenders, recipients: RecipientResolver, amounts: Amounts
    ) -> None:
        self._settings = settings
        self._permitted = permitted
        self._recipients = recipients
        self._counters = amounts.counters
        self._postponed = amounts.postponed

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        session, submission = transaction.session, self._settings().submission
        if transaction.sender.auth != session.account:
            transaction.sender = replace(transaction.sender, auth=session.account)
        if session.service == "lmtp" or not (session.account or session.relay):
            return None
        if (full := await self._no_more_for_later(transaction)) is not None:
            return full
        told = await self._masquerade(transaction, submission)
        if not session.account or transaction.sender.address is None:
            return told
        verdict = await self._as_whom(transaction, submission)
        if isinstance(verdict, Refuse):
            return verdict
        if submission.sender_must_exist and (refused := await self._unknown(transaction.sender.address)) is not None:
            return refused
        return verdict or told

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        """Counts recipients by the hour (OUT-5)."""
        session, submission = transaction.session, self._settings().submission
        if not session.account:
            return None
        limits = _rates(session, submission)
        for what, key, most in limits:
            if self._counters.recent(key, HOUR_S) >= most:
                text = f"{what} has sent to {most} recipients within an hour, which is the most; try again later"
                return Defer(Reply(450, "4.7.1", text), Reason(self.name, "rate", text))
        for _, key, _ in limits:
            self._counters.hit(key, HOUR_S)
        return None

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        session, submission = transaction.session, self._settings().submission
        if session.service == "lmtp" or not (session.account or session.relay) or transaction.held_id:
            return ()
        form, told = transaction.form, []
        content = form.content
        if (masks := await self._header_masks(transaction, submission)) is not None:
            content = author_fields.rewritten(content, form.summary.root, masks)
            if content is not form.content:
                told.append(Continue(Reason(self.name, "masquerade", "addresses in the header were masqueraded")))
                await self._become(transaction, content)
        if session.account and submission.sender != "any":
            return (*told, *await self._authors(transaction, submission))
        return told

    async def _no_more_for_later(self, transaction: Transaction) -> Verdict | None:
        """Whoever has much waiting for its time, elsewhere as well as here, gets no more of it into the queue."""
        account, most = transaction.session.account, self._settings().queue.hold_messages
        now = transaction.started_at
        if not (account and most and transaction.sender.hold_until > now):
            return None
        if await self._postponed(account, now, most) < most:
            return None
        text = (
            f"Your account has {most} messages waiting for their time, which is the most: cancel one, or send this one at once"
        )
        return Defer(Reply(450, "4.7.1", text), Reason(self.name, "postponed", f"{account} has {most} messages that wait"))

    async def _mask(self, pairs: tuple[str, ...], local: str, domain: str) -> tuple[str, str]:
        """The address that is written in its place (OUT-2): by the settings, else by an outside directory. Raises Temporary."""
        masked = _masked(pairs, local, domain) if pairs else (local, domain)
        return masked if masked[1] != domain else await self._recipients.outside.masked(local, domain)

    async def _header_masks(self, transaction: Transaction, submission: SubmissionSettings) -> author_fields.Rewrite | None:
        """What becomes of addresses in the header; None if nothing does. Raises Temporary."""
        if not submission.masquerade and not self._recipients.outside.is_used("masquerade"):
            return None
        found: dict[tuple[str, str], tuple[str, str]] = {}
        covers = self._recipients.outside.covers

        def note(local: str, domain: str) -> tuple[str, str]:
            found[local, domain] = _masked(submission.masquerade, local, domain)
            return local, domain

        author_fields.rewritten(transaction.form.content, transaction.form.summary.root, note)
        asked = [each for each, mask in found.items() if mask == each and covers(each[1], "masquerade")]
        if len(asked) > MAX_AUTHORS:
            raise Permanent(
                TOO_MANY.text, code=TOO_MANY.code, enhanced=TOO_MANY.enhanced, cause=f"{len(asked)} authors to look up"
            )
        for local, domain in asked:
            found[local, domain] = await self._recipients.outside.masked(local, domain)
        if all(mask == each for each, mask in found.items()):
            return None
        return lambda local, domain: found[local, domain]

    async def _masquerade(self, transaction: Transaction, submission: SubmissionSettings) -> Verdict | None:
        address = transaction.sender.address
        if address is None:
            return None
        local, domain = await self._mask(submission.masquerade, address.local, address.domain)
        if (local, domain) == (address.local, address.domain):
            return None
        transaction.sender = replace(transaction.sender, address=Address(local, domain))
        return Continue(Reason(self.name, "masquerade", f"{address} is written as {local}@{domain}"))

    async def _as_whom(self, transaction: Transaction, submission: SubmissionSettings) -> Verdict | None:
        """The envelope's sender (OUT-3)."""
        address, account = transaction.sender.address, Address.parse(transaction.session.account)
        assert address is not None, "the null sender is nobody's"
        if submission.sender == "any" or address.key == account.key:
            return None
        if right := await self._permitted.why(account, address):
            return Continue(Reason(self.name, "permitted", f"{account} may send as {address}: {right}"))
        if submission.sender == "rewrite":
            transaction.sender = replace(transaction.sender, address=account)
            return Continue(Reason(self.name, "rewritten", f"{account} may not send as {address}: sent as itself"))
        return await self._refused(account, str(address), "not-own")

    async def _refused(self, account: Address, stranger: str, rule: str) -> Refuse:
        """Says also as whom the account may send: that is its owner's to know."""
        own = [each for each in await self._permitted.all_of(account) if each != account.key]
        whom = _listed([account.key, *own])
        text = _printable(f"You may not send as {stranger[:150]}, but as {whom}")
        return Refuse(
            Reply(550, "5.7.1", text), Reason(self.name, rule, f"{account} may not send as {stranger}, but as {whom}")
        )

    async def _unknown(self, address: Address) -> Verdict | None:
        """A sender that takes no mail here (OUT-4)."""
        found = await self._recipients.resolve(address)
        if found.is_local and found.is_deliverable:
            return None
        reply = Reply(550, "5.1.7", f"The sender's address {address} takes no mail here"[:400])
        return Refuse(reply, Reason(self.name, "no-such-sender", f"{address} is not deliverable here"))

    async def _authors(self, transaction: Transaction, submission: SubmissionSettings) -> Sequence[Verdict]:
        """Everyone in From and Sender must be the account (OUT-3)."""
        account, form = Address.parse(transaction.session.account), transaction.form
        root = form.summary.root
        authors = {(local, domain.lower()) for _, local, domain in author_fields.authors(form.content, root)}
        if len(authors) > MAX_AUTHORS:
            return (Refuse(TOO_MANY, Reason(self.name, "not-own-header", f"{len(authors)} authors")),)
        strangers = {each for each in authors if not await self._permitted.why(account, Address(*each))}
        if not strangers and not author_fields.is_veiled(form.content, root):
            return ()
        shown = ", ".join(sorted(f"{local}@{domain}" for local, domain in strangers))[:300] or "somebody who cannot be read"
        if submission.sender == "refuse":
            return (await self._refused(account, shown, "not-own-header"),)
        own = (account.local, account.domain)

        def as_itself(local: str, domain: str) -> tuple[str, str]:
            return own if (local, domain) in strangers else (local, domain)

        content = author_fields.rewritten(form.content, root, as_itself, author_fields.AUTHORS, own)
        await self._become(transaction, content)
        return (Continue(Reason(self.name, "rewritten-header", f"{shown} in the header is written as {account}")),)

    async def _become(self, transaction: Transaction, content: bytes) -> None:
        smtp = self._settings().smtp
        limits = Limits(smtp.max_headers, smtp.max_header_bytes, smtp.max_parts, smtp.max_part_depth)
        transaction.form.become(content, await off_loop(len(content), partial(summarise, content, limits)))


def _rates(session: Session, submission: SubmissionSettings) -> list[tuple[str, str, int]]:
    """Who is counted under which key, and how many are allowed."""
    domain = session.account.rpartition("@")[2]
    limits = [
        ("Your account", f"sent-by:{session.account_id}", submission.user_rate),
        (f"The domain {domain}", f"sent-from:{domain}", submission.domain_rate),
        ("This server", "sent-by-node", submission.node_rate),
    ]
    return [limit for limit in limits if limit[2]]


def _listed(addresses: Sequence[str]) -> str:
    """As many as fit into a line, its own first."""
    shown = ""
    for number, address in enumerate(addresses):
        if len(shown) + len(address) > MAX_LISTED:
            return f"{shown or addresses[0][:MAX_LISTED]} and {len(addresses) - max(number, 1)} more"
        shown += f", {address}" if shown else address
    return shown


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _masked(pairs: tuple[str, ...], local: str, domain: str) -> tuple[str, str]:
    """The address that is written in its place (OUT-2)."""
    masks = _masks(pairs)
    if domain in masks:
        return local, masks[domain]
    parent = domain
    while parent:
        _, _, parent = parent.partition(".")
        if f".{parent}" in masks:
            return local, masks[f".{parent}"]
    return local, domain


@lru_cache(maxsize=4)
def _masks(pairs: tuple[str, ...]) -> dict[str, str]:
    return {old: new for old, _, new in (pair.lower().partition("=") for pair in pairs)}
