"""Quotas and undelete on SQLite against the store in memory: whatever is done, both agree, and sums are what a count gives.

Two accounts of one domain, with quotas that are soon reached and little room for deleted messages.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from posthouse.backends.sqlite import units_undelete
from posthouse.backends.sqlite.check import check
from posthouse.base.errors import MailError
from posthouse.interfaces.mailstore import MailStore
from posthouse.model.limits import Allowance
from posthouse.model.mailbox import MailboxInfo, NewMessage
from posthouse.model.quota import Usage
from posthouse.model.undelete import is_shadow
from support.mail_backends import MailBackends, acceptance, letter, mail_backends, to_mailbox

LIVE = ["INBOX", "Trash", "a", "a/b", "a/b/c", "b", "INBOX/s"]
SHADOWS = ["Deleted Messages", *(f"Deleted Messages/{name}" for name in LIVE)]
NAMES = st.sampled_from(LIVE)
ANY_NAMES = st.sampled_from([*LIVE, *SHADOWS])
UIDS = st.lists(st.integers(1, 12), max_size=8)
ACCOUNTS = st.sampled_from([1, 2])
DOMAIN = 7
LETTER = len(letter("u", 300))
Step = Callable[[MailBackends], Awaitable[Any]]


class Allowances:
    """What the accounts may use; the test changes it as it goes."""

    def __init__(self) -> None:
        self.granted = Allowance(
            domain_id=DOMAIN,
            quota_bytes=12 * LETTER,
            quota_messages=14,
            quota_mailboxes=11,
            domain_quota_bytes=20 * LETTER,
            domain_quota_messages=22,
            warning_percent=80,
            grace_percent=20,
            grace_s=50.0,
            undelete_bytes=5 * LETTER,
        )

    async def of(self, _account_id: int) -> Allowance:
        return self.granted


class Quotas(RuleBasedStateMachine):
    """Every rule is done to both; results and errors must agree, and then all sums."""

    def __init__(self) -> None:
        super().__init__()
        self._patch = patch.object(units_undelete, "TRIM_STEPS_AT_ONCE", 1_000)
        self._patch.start()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self._allowances = Allowances()
        of = self._allowances.of
        self._contexts = [mail_backends(kind, Path(self._folder.name), allowances=of) for kind in ("memory", "sqlite")]
        self._both = [self._runner.run(context.__aenter__()) for context in self._contexts]

    def teardown(self) -> None:
        wrong = self._runner.run(self._both[1].store.recount())
        for context in self._contexts:
            self._runner.run(context.__aexit__(None, None, None))
        self._runner.close()
        problems = check(Path(self._folder.name) / "mail.db", contents=True).problems
        self._folder.cleanup()
        self._patch.stop()
        assert problems == ()
        assert wrong == 0

    def _agree(self, step: Step) -> None:
        async def outcome(backends: MailBackends) -> Any:
            backends.clock.advance(1.0)
            try:
                return await step(backends)
            except MailError as error:
                return type(error).__name__, error.code, error.imap_code, error.public

        memory, sqlite = (self._runner.run(outcome(backends)) for backends in self._both)
        assert memory == sqlite

    @rule(account=ACCOUNTS, name=ANY_NAMES)
    def create(self, account: int, name: str) -> None:
        async def step(backends: MailBackends) -> Any:
            return comparable(await backends.store.create(account, name))

        self._agree(step)

    @rule(account=ACCOUNTS, name=ANY_NAMES)
    def delete(self, account: int, name: str) -> None:
        self._agree(lambda backends: backends.store.delete(account, name))

    @rule(account=ACCOUNTS, name=ANY_NAMES, new_name=ANY_NAMES)
    def rename(self, account: int, name: str, new_name: str) -> None:
        self._agree(lambda backends: backends.store.rename(account, name, new_name))

    @rule(account=ACCOUNTS, name=ANY_NAMES, texts=st.lists(st.sampled_from("uvwxyz"), max_size=4), marked=st.booleans())
    def append(self, account: int, name: str, texts: list[str], marked: bool) -> None:  # noqa: FBT001
        flags = ("\\Deleted", "red") if marked else ("blue",)

        async def step(backends: MailBackends) -> Any:
            box = await chosen(backends, account, name)
            messages = [NewMessage(letter(text, 300), flags, 5.0) for text in texts]
            return list((await backends.store.append(box, messages)).uids)

        self._agree(step)

    @rule(accounts=st.lists(ACCOUNTS, min_size=1, max_size=2, unique=True), name=ANY_NAMES)
    def deliver(self, accounts: list[int], name: str) -> None:
        destinations = [to_mailbox(account, name) for account in accounts]
        self._agree(lambda backends: backends.sink.commit(acceptance(letter("d", 300), *destinations)))

    @rule(account=ACCOUNTS, name=ANY_NAMES, uids=UIDS)
    def mark(self, account: int, name: str, uids: list[int]) -> None:
        async def step(backends: MailBackends) -> Any:
            return await backends.store.store_flags(await chosen(backends, account, name), uids, "add", ["\\Deleted"])

        self._agree(step)

    @rule(account=ACCOUNTS, name=ANY_NAMES, uids=st.none() | UIDS, unmarked=st.booleans())
    def expunge(self, account: int, name: str, uids: list[int] | None, unmarked: bool) -> None:  # noqa: FBT001
        async def step(backends: MailBackends) -> Any:
            return list(await backends.store.expunge(await chosen(backends, account, name), uids, unmarked=unmarked))

        self._agree(step)

    @rule(account=ACCOUNTS, name=ANY_NAMES, into=ANY_NAMES, other=ACCOUNTS, uids=UIDS, move=st.booleans())
    def copy(self, account: int, name: str, into: str, other: int, uids: list[int], move: bool) -> None:  # noqa: FBT001
        async def step(backends: MailBackends) -> Any:
            boxes = await chosen(backends, account, name), await chosen(backends, other, into)
            copied = await backends.store.copy(boxes[0], uids, boxes[1], move=move)
            return copied.source_uids, copied.target_uids

        self._agree(step)

    @rule(account=ACCOUNTS, name=ANY_NAMES, into=NAMES, uid=st.integers(1, 12))
    def replace(self, account: int, name: str, into: str, uid: int) -> None:
        async def step(backends: MailBackends) -> Any:
            boxes = await chosen(backends, account, name), await chosen(backends, account, into)
            return (await backends.store.replace(boxes[0], uid, boxes[1], NewMessage(letter("r", 600))))[1]

        self._agree(step)

    @rule(account=ACCOUNTS, name=st.sampled_from(["a", "a/b", "INBOX"]), messages=st.integers(0, 4))
    def tree_quota(self, account: int, name: str, messages: int) -> None:
        async def step(backends: MailBackends) -> Any:
            await backends.store.limit_tree(await chosen(backends, account, name), 0, messages)
            return list(await backends.store.trees(account))

        self._agree(step)

    @rule(letters=st.integers(0, 8))
    def undelete_room(self, letters: int) -> None:
        granted = self._allowances.granted
        values = {name: getattr(granted, name) for name in Allowance.__dataclass_fields__}
        self._allowances.granted = Allowance(**{**values, "undelete_bytes": letters * LETTER})

    @rule(seconds=st.sampled_from([1.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        for backends in self._both:
            backends.clock.advance(seconds)

    @rule(account=ACCOUNTS)
    def warned(self, account: int) -> None:
        async def step(backends: MailBackends) -> Any:
            due = list(await backends.store.warnings_due(10))
            await backends.store.warned(account)
            return due

        self._agree(step)

    @invariant()
    def all_sums_agree_and_are_what_a_count_gives(self) -> None:
        self._agree(everything)


async def chosen(backends: MailBackends, account: int, name: str) -> int:
    found = await backends.store.mailbox(account, name)
    return found.mailbox_id if found else 424242


def comparable(info: MailboxInfo) -> tuple[Any, ...]:
    counts = info.uid_next, info.mod_seq, info.exists, info.unseen, info.deleted, info.size_bytes
    return info.name, counts, info.keywords, info.selectable


async def counted(store: MailStore, account: int) -> Usage:
    live, dead = list[MailboxInfo](), list[MailboxInfo]()
    for info in await store.mailboxes(account):
        (dead if is_shadow(info.name) else live).append(info)
    return Usage(
        sum(box.size_bytes for box in live),
        sum(box.exists for box in live),
        len(live),
        sum(box.size_bytes for box in dead),
        sum(box.exists for box in dead),
    )


async def everything(backends: MailBackends) -> Any:
    store = backends.store
    found: list[Any] = [await store.domain_usage(DOMAIN)]
    for account in (1, 2):
        count = await counted(store, account)
        usage = await store.usage(account)
        assert usage == count
        found += [usage, await store.standing(account), list(await store.trees(account))]
        for info in await store.mailboxes(account):
            found.append(comparable(info))
            if info.selectable:
                _, rows = await store.rows(info.mailbox_id)
                facts = await store.facts(info.mailbox_id, [row.uid for row in rows])
                found.append([(fact.uid, fact.object_id, fact.received_at, fact.saved_at) for fact in facts])
                found.append((list(rows), (await store.changes(info.mailbox_id, 2)).vanished))
                found.append(await store.deleted_bytes(info.mailbox_id))
    return found


TestQuotas = Quotas.TestCase
TestQuotas.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_a_first_message_that_a_tree_quota_refuses_leaves_nothing_behind_in_either() -> None:
    both = Quotas()
    try:
        both.tree_quota(account=1, name="INBOX", messages=1)
        both.append(account=1, name="INBOX", texts=["u", "u"], marked=False)
        both.all_sums_agree_and_are_what_a_count_gives()
    finally:
        both.teardown()
