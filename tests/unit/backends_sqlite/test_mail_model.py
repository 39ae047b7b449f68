"""The store on SQLite against the store in memory: whatever is done to both, both look the same (bounded state machine)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from posthouse.backends.sqlite.check import check
from posthouse.base.errors import MailError
from posthouse.model.mailbox import MailboxInfo, NewMessage
from support.mail_backends import MailBackends, acceptance, letter, mail_backends, to_mailbox

NAMES = st.sampled_from(["INBOX", "inbox", "Trash", "a", "a/b", "a/b/c", "b", "b/x", "c", "a//b", "INBOX/s"])
UIDS = st.lists(st.integers(1, 14), max_size=8)
FLAGS = st.lists(st.sampled_from(["\\Seen", "\\Deleted", "\\Flagged", "red", "Blue", "blue", "\\Bad"]), max_size=3)
ACCOUNT = 1
Step = Callable[[MailBackends], Awaitable[Any]]


class Stores(RuleBasedStateMachine):
    """Every rule is done to both; results and errors must agree, and then everything that can be read."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self._contexts = [mail_backends(kind, Path(self._folder.name)) for kind in ("memory", "sqlite")]
        self._both = [self._runner.run(context.__aenter__()) for context in self._contexts]

    def teardown(self) -> None:
        for context in self._contexts:
            self._runner.run(context.__aexit__(None, None, None))
        self._runner.close()
        problems = check(Path(self._folder.name) / "mail.db", contents=True).problems
        self._folder.cleanup()
        assert problems == ()

    def _agree(self, step: Step) -> None:
        async def outcome(backends: MailBackends) -> Any:
            try:
                return await step(backends)
            except MailError as error:
                return type(error).__name__, error.public

        memory, sqlite = (self._runner.run(outcome(backends)) for backends in self._both)
        assert memory == sqlite

    @rule(name=NAMES)
    def create(self, name: str) -> None:
        async def step(backends: MailBackends) -> Any:
            return comparable(await backends.store.create(ACCOUNT, name))

        self._agree(step)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self._agree(lambda backends: backends.store.delete(ACCOUNT, name))

    @rule(name=NAMES, new_name=NAMES)
    def rename(self, name: str, new_name: str) -> None:
        self._agree(lambda backends: backends.store.rename(ACCOUNT, name, new_name))

    @rule(name=NAMES, on=st.booleans())
    def subscribe(self, name: str, on: bool) -> None:  # noqa: FBT001
        self._agree(lambda backends: backends.store.subscribe(ACCOUNT, name, on=on))

    @rule(name=NAMES, texts=st.lists(st.sampled_from("uvwxyz"), max_size=4), flags=FLAGS)
    def append(self, name: str, texts: list[str], flags: list[str]) -> None:
        async def step(backends: MailBackends) -> Any:
            box = await chosen(backends, name)
            uids = (await backends.store.append(box, [NewMessage(letter(text), tuple(flags), 5.0) for text in texts])).uids
            return list(uids)

        self._agree(step)

    @rule(name=NAMES, flags=FLAGS)
    def deliver(self, name: str, flags: list[str]) -> None:
        self._agree(lambda backends: backends.sink.commit(acceptance(letter("d"), to_mailbox(ACCOUNT, name, tuple(flags)))))

    @rule(
        name=NAMES,
        uids=UIDS,
        action=st.sampled_from(["add", "remove", "replace"]),
        flags=FLAGS,
        unchanged_since=st.none() | st.integers(1, 9),
    )
    def store_flags(self, name: str, uids: list[int], action: Any, flags: list[str], unchanged_since: int | None) -> None:
        async def step(backends: MailBackends) -> Any:
            box = await chosen(backends, name)
            return await backends.store.store_flags(box, uids, action, flags, unchanged_since)

        self._agree(step)

    @rule(name=NAMES, uids=st.none() | UIDS)
    def expunge(self, name: str, uids: list[int] | None) -> None:
        async def step(backends: MailBackends) -> Any:
            return list(await backends.store.expunge(await chosen(backends, name), uids))

        self._agree(step)

    @rule(name=NAMES, into=NAMES, uids=UIDS, move=st.booleans())
    def copy(self, name: str, into: str, uids: list[int], move: bool) -> None:  # noqa: FBT001
        async def step(backends: MailBackends) -> Any:
            boxes = await chosen(backends, name), await chosen(backends, into)
            copied = await backends.store.copy(boxes[0], uids, boxes[1], move=move)
            return copied.source_uids, copied.target_uids

        self._agree(step)

    @invariant()
    def all_that_can_be_read_is_the_same(self) -> None:
        self._agree(everything)


async def chosen(backends: MailBackends, name: str) -> int:
    """The id of a mailbox; one that is nobody's if there is none."""
    found = await backends.store.mailbox(ACCOUNT, name)
    return found.mailbox_id if found else 424242


def comparable(info: MailboxInfo) -> tuple[Any, ...]:
    """What two stores must agree on; identifiers are each one's own."""
    counts = info.uid_next, info.mod_seq, info.exists, info.unseen, info.deleted, info.size_bytes
    return info.name, counts, info.keywords, info.special_use, info.subscribed, info.selectable


async def everything(backends: MailBackends) -> Any:
    store = backends.store
    found: list[Any] = [list(await store.subscriptions(ACCOUNT))]
    for info in await store.mailboxes(ACCOUNT):
        found.append(comparable(info))
        assert info == await store.mailbox_by_id(info.mailbox_id) == await store.mailbox(ACCOUNT, info.name)
        if not info.selectable:
            continue
        same, rows = await store.rows(info.mailbox_id)
        assert same == info
        facts = await store.facts(info.mailbox_id, [row.uid for row in rows])
        contents = [(fact.uid, fact.object_id, fact.received_at, await store.content(fact.body_id)) for fact in facts]
        found += [list(rows), contents, [await store.changes(info.mailbox_id, since) for since in (0, 2, 4)]]
    return found


TestStores = Stores.TestCase
TestStores.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
