"""Load on a real node from many clients at a time, every acknowledgement written down in ``books.Books``.

Strangers send by SMTP, a user appends, changes flags, moves, copies and expunges by IMAP, another submits mail for both here
and elsewhere. All go on until the flood is told that it is over; a connection that breaks before is made again. Nothing is
ever sent twice, so what is found twice was made twice by the node.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import TypeVar

from support.async_clients import Imap, Lost, Reply, Smtp, append_uid
from support.books import QUEUE, Books, Entry, Flags, Place, Seen
from support.node import Node

READER = "jane@example.test"
SUBMITTER = "omar@example.org"
STRANGER = "stranger@elsewhere.test"
THIRD = "lena@example.test"
INBOXES = (READER, SUBMITTER, THIRD)
FLAG_BOXES = ("Flags-0", "Flags-1", "Flags-2")
MOVE_BOXES = (("Move-0", "Moved-0"), ("Move-1", "Moved-1"))
COPY_BOX = "Copies-{}"
APPEND_BOXES = ("Append-0", "Append-1", "Append-2")
WORDS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Forwarded", "work", "later")
RETRY_S = 0.02
SETTLE_S = 0.3
"""What a dead process had handed in may still be carried out in the first moments after it; who looks must wait for that."""
Result = TypeVar("Result")


def run(main: Coroutine[None, None, Result]) -> Result:
    """A coroutine to its end."""
    return asyncio.run(main)


def message(token: str, recipient: str) -> bytes:
    """The message of a token; its size stands at the token's end, so that it can be told whole afterwards."""
    head = f"From: flood@flood.test\r\nTo: {recipient}\r\nSubject: {token}\r\nMessage-ID: <{token}@flood.test>\r\n"
    return f"{head}Date: Tue, 24 Nov 2026 04:00:00 +0000\r\n\r\n".encode() + body(token)


def body(token: str) -> bytes:
    """What follows the header of a token's message: always the same, and nothing that could be packed well."""
    octets = random.Random(token).randbytes(int(token.rpartition("-")[2]) * 3 // 4)
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


class Flood:
    """Clients for one stretch of load. ``node`` may be killed meanwhile; then ``over`` must be set at the same moment."""

    def __init__(self, node: Node, books: Books, name: str, *, large: float = 0.01, large_bytes: int = 200_000) -> None:
        self.node = node
        self.books = books
        self.over = False
        self.goodbyes: list[bytes] = []
        self._name = name
        self._large = large
        self._large_bytes = large_bytes
        self._count = 0
        self._random = random.Random(random.random())

    def token(self) -> str:
        """A fresh one; one message in a hundred is large."""
        self._count += 1
        large = self._random.random() < self._large
        size = self._large_bytes if large else self._random.choice((300, 1500, 4000))
        return f"{self._name}-{self._count}-{size}"

    # Sessions of one kind each: they raise Lost when the connection ends

    async def stranger(self) -> None:
        """SMTP: some messages over one connection, to one or two users here."""
        client = await Smtp.begin(self.node.ports["smtp"])
        await self._sending(
            client, "stranger@elsewhere.test", lambda _: self._random.sample(INBOXES, self._random.choice((1, 1, 2)))
        )

    async def submitter(self) -> None:
        """Submission: to elsewhere, or to elsewhere and here at once."""

        def recipients(token: str) -> list[str]:
            far = [f"{token}@far-{self._random.randrange(5)}.test"]
            return [*far, self._random.choice(INBOXES)] if self._random.random() < 0.3 else far

        client = await Smtp.begin(self.node.ports["submission"], SUBMITTER)
        await self._sending(client, SUBMITTER, recipients)

    async def _sending(self, client: Smtp, sender: str, recipients: Callable[[str], list[str]]) -> None:
        with contextlib.closing(client), self._farewell(client):
            for _ in range(self._random.randrange(1, 40)):
                if self.over:
                    return
                token = self.token()
                await self.send(client, token, sender, recipients(token))
            client.send(b"QUIT\r\n")
            await client.reply()

    async def send(self, client: Smtp, token: str, sender: str, recipients: list[str]) -> Reply:
        """One transaction. Raises Lost after a 421, too."""
        reply = await client.envelope(sender, recipients)
        if reply.code == 354:
            entries = [entry_of(one, token) for one in recipients]
            self.books.begin(*entries)
            client.send(message(token, recipients[0]) + b".\r\n")
            reply = Reply(0, "")
            try:
                await client.drain()
                reply = await client.reply()
            finally:
                self._judge(reply, entries)
        else:
            self.books.counts[f"{reply.code} to the envelope"] += 1
        if reply.code == 421:
            raise Lost(reply.text)
        if reply.code != 250:
            await client.ask(b"RSET\r\n")
        return reply

    def _judge(self, reply: Reply, entries: list[Entry]) -> None:
        if reply.code == 250:
            self.books.done(*entries)
        elif reply.code == 452 or reply.code >= 500:
            self.books.refused(*entries)
        else:
            self.books.unanswered(*entries)
        self.books.counts[f"{reply.code} to a message"] += 1

    async def appender(self, mailbox: str) -> None:
        """IMAP APPEND, now and then with flags."""
        client = await Imap.begin(self.node.ports["imap"], READER)
        with contextlib.closing(client), self._farewell(client):
            while not self.over:
                flags = self._some_flags() if self._random.random() < 0.3 else frozenset()
                await self.append(client, Place(READER, mailbox), self.token(), flags)

    async def append(self, client: Imap, place: Place, token: str, flags: Flags = frozenset()) -> str:
        """One APPEND; gives its status."""
        self.books.begin((place, token))
        self.books.flags[place, token] = flags
        try:
            result = await client.ask(f'APPEND "{place.mailbox}" ({" ".join(flags)})', message(token, READER))
        except Lost:
            self.books.unanswered((place, token))
            raise
        if result.status == "OK":
            self.books.done((place, token))
            uid_validity, uid = append_uid(result.text)
            self.books.told_uid(place, uid_validity, uid, token)
        elif "LIMIT" in result.text or "OVERQUOTA" in result.text:
            self.books.refused((place, token))
        else:
            self.books.unanswered((place, token))
        self.books.counts[f"{result.status} to APPEND"] += 1
        return result.status

    async def flagger(self, mailbox: str) -> None:
        """IMAP STORE of all kinds on a mailbox that nobody else writes to."""
        client = await Imap.begin(self.node.ports["imap"], READER)
        place = Place(READER, mailbox)
        with contextlib.closing(client), self._farewell(client):
            await client.settle()
            await client.select(mailbox)
            rows = await client.messages()
            for one in rows:
                self.books.observe(place, one)
            tokens = {one.uid: one.token for one in rows}
            while not self.over and tokens:
                uids = self._random.sample(sorted(tokens), min(len(tokens), self._random.randrange(1, 12)))
                if await self.store(client, place, {uid: tokens[uid] for uid in uids}) != "OK":
                    raise Lost("it is not known whether the flags were changed")

    async def store(self, client: Imap, place: Place, chosen: dict[int, str]) -> str:
        """One STORE on these messages; gives its status."""
        action, words = self._random.choice(("+", "-", "")), self._some_flags()
        after = {token: changed(self.books.flags[place, token], action, words) for token in chosen.values()}
        for token, flags in after.items():
            self.books.open_flags[place, token].append(flags)
        silent = self._random.choice(("", ".SILENT"))
        uids = ",".join(map(str, chosen))
        result = await client.ask(f"UID STORE {uids} {action}FLAGS{silent} ({' '.join(words)})")
        if result.status == "OK":
            for token, flags in after.items():
                self.books.set_flags(place, token, flags)
        self.books.counts[f"{result.status} to STORE"] += 1
        return result.status

    async def mover(self, number: int) -> None:
        """MOVE there and back between two mailboxes, COPY into a third, EXPUNGE of the copies."""
        client = await Imap.begin(self.node.ports["imap"], READER)
        with contextlib.closing(client), self._farewell(client):
            await client.settle()
            source, target = (Place(READER, name) for name in MOVE_BOXES[number])
            while not self.over:
                await self._move_all(client, source, target, Place(READER, COPY_BOX.format(number)))
                source, target = target, source

    async def _move_all(self, client: Imap, source: Place, target: Place, copies: Place) -> None:
        await client.select(source.mailbox)
        tokens = {one.uid: one.token for one in await client.messages()}
        while tokens and not self.over:
            uids = self._random.sample(sorted(tokens), min(len(tokens), self._random.randrange(1, 5)))
            if self._random.random() < 0.3:
                await self._copy(client, copies, uids[0], tokens[uids[0]])
            chosen = [tokens.pop(uid) for uid in uids]
            self.books.begin_move(source, target, chosen)
            result = await client.ask(f'UID MOVE {",".join(map(str, uids))} "{target.mailbox}"')
            self.books.end_move(source, target, chosen, moved={"OK": True, "NO": None}.get(result.status, False))
            self.books.counts[f"{result.status} to MOVE"] += 1
        if self._random.random() < 0.5 and not self.over:
            await self._expunge(client, copies)

    async def _copy(self, client: Imap, copies: Place, uid: int, token: str) -> None:
        if token in self.books.sure[copies] | self.books.open[copies]:
            return
        self.books.begin((copies, token))
        result = await client.ask(f'UID COPY {uid} "{copies.mailbox}"')
        if result.status == "OK":
            self.books.done((copies, token))
        self.books.counts[f"{result.status} to COPY"] += 1

    async def _expunge(self, client: Imap, place: Place) -> None:
        """All of a mailbox goes."""
        await client.select(place.mailbox)
        rows = await client.messages()
        if not rows:
            return
        uids = ",".join(str(one.uid) for one in rows)
        if (await client.ask(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")).status != "OK":
            return
        tokens = [one.token for one in rows]
        self.books.begin_removal(place, tokens)
        result = await client.ask(f"UID EXPUNGE {uids}")
        if result.status == "OK":
            self.books.open[place].difference_update(tokens)
        self.books.counts[f"{result.status} to EXPUNGE"] += 1

    # All of them

    async def keep(self, session: Callable[[], Awaitable[None]], pause_s: float = SETTLE_S) -> None:
        """The session again and again, until the flood is over."""
        while not self.over:
            try:
                await session()
            except Lost:
                if not self.over:
                    await asyncio.sleep(pause_s)

    def everybody(self, strangers: int = 20, submitters: int = 4) -> list[Awaitable[None]]:
        """The whole load, ready to be gathered."""
        readers = [partial(self.appender, box) for box in APPEND_BOXES] + [partial(self.flagger, box) for box in FLAG_BOXES]
        readers += [partial(self.mover, number) for number in range(len(MOVE_BOXES))]
        senders = [self.stranger] * strangers + [self.submitter] * submitters
        return [*(self.keep(one, RETRY_S) for one in senders), *(self.keep(one) for one in readers)]

    def _some_flags(self) -> Flags:
        return frozenset(self._random.sample(WORDS, self._random.randrange(1, 4)))

    @contextlib.contextmanager
    def _farewell(self, client: Smtp | Imap) -> Iterator[None]:
        """Keeps the last line of a session that the server ended."""
        try:
            yield
        except Lost:
            self.goodbyes.append(client.said)
            raise


def entry_of(recipient: str, token: str) -> Entry:
    """Where a message to ``recipient`` must be found."""
    return (Place(recipient, "INBOX"), token) if recipient in INBOXES else (QUEUE, recipient)


def changed(flags: Flags, action: str, words: Flags) -> Flags:
    """What STORE makes of flags (RFC 9051 §6.4.6)."""
    return flags | words if action == "+" else flags - words if action == "-" else words


# Getting ready, and looking afterwards


def prepare(node: Node, smart_host_port: int = 9) -> Books:
    """The flood's users and mailboxes on a running node; mail for elsewhere goes to a port where nobody listens."""
    node.add_user(THIRD)
    node.run("setting", "set", "route.smart_host", f"127.0.0.1:{smart_host_port}")
    books = Books()
    run(_fill(node, books))
    return books


async def _fill(node: Node, books: Books) -> None:
    flood = Flood(node, books, "first", large=0.1)
    client = await Imap.begin(node.ports["imap"], READER)
    with contextlib.closing(client):
        moving = [box for pair in MOVE_BOXES for box in pair]
        for box in (*FLAG_BOXES, *moving, *APPEND_BOXES, *(COPY_BOX.format(number) for number in range(len(MOVE_BOXES)))):
            assert (await client.ask(f'CREATE "{box}"')).status == "OK"
        for box in FLAG_BOXES:
            for _ in range(30):
                await flood.append(client, Place(READER, box), flood.token())
        for box, _ in MOVE_BOXES:
            for _ in range(25):
                await flood.append(client, Place(READER, box), flood.token())
    for pair in MOVE_BOXES:
        for box in pair:
            for token in books.sure[Place(READER, box)]:
                del books.flags[Place(READER, box), token]


class Audit:
    """Compares books and node: new mail after every round, everything at the end."""

    def __init__(self, node: Node, books: Books) -> None:
        self._node = node
        self._books = books
        self._next_uid: dict[Place, int] = {}
        self._held: dict[Place, set[str]] = {}

    def round(self) -> None:
        """All of the small mailboxes; of the growing ones, what is new since the last round."""
        growing = [Place(one, "INBOX") for one in INBOXES] + [Place(READER, box) for box in APPEND_BOXES]
        found = run(self._look(whole=False, growing=growing))
        self._books.compare(found, held=self._held)
        for place in growing:
            self._held[place] = set(self._books.sure[place])

    def everything(self) -> None:
        """Every mailbox and the queue, from the first message on; some contents octet by octet."""
        found = run(self._look(whole=True, growing=[]))
        found[QUEUE] = [Seen(recipient) for row in queued(self._node) for recipient in row]
        self._books.compare(found)

    async def _look(self, *, whole: bool, growing: list[Place]) -> dict[Place, list[Seen]]:
        boxes = (*FLAG_BOXES, *APPEND_BOXES, *(box for pair in MOVE_BOXES for box in pair))
        copies = (COPY_BOX.format(number) for number in range(len(MOVE_BOXES)))
        mailboxes = {one: ["INBOX"] for one in INBOXES}
        mailboxes[READER] += [*boxes, *copies]
        parts = await asyncio.gather(*(self._look_into(one, names, growing, whole) for one, names in mailboxes.items()))
        return {place: rows for part in parts for place, rows in part.items()}

    async def _look_into(
        self,
        account: str,
        mailboxes: list[str],
        growing: list[Place],
        whole: bool,  # noqa: FBT001
    ) -> dict[Place, list[Seen]]:
        client = await Imap.begin(self._node.ports["imap"], account)
        found: dict[Place, list[Seen]] = {}
        with contextlib.closing(client):
            await client.settle()
            for place in (Place(account, mailbox) for mailbox in mailboxes):
                uid_validity = await client.select(place.mailbox)
                first = self._next_uid.get(place, 1) if place in growing else 1
                rows = found[place] = await client.messages(first)
                for one in rows:
                    self._books.told_uid(place, uid_validity, one.uid, one.token)
                self._next_uid[place] = max((one.uid + 1 for one in rows), default=first)
                if whole:
                    await self._read_some(client, rows)
        return found

    async def _read_some(self, client: Imap, rows: list[Seen]) -> None:
        large = [one for one in rows if not one.token.endswith(("-300", "-1500", "-4000"))]
        for one in [*random.sample(rows, min(len(rows), 50)), *large[:50]]:
            header, _, text = (await client.content(one.uid)).partition(b"\r\n\r\n")
            if text != body(one.token) or f"<{one.token}@flood.test>".encode() not in header:
                self._books.problems.append(f"the content of {one.token} is not what was sent ({len(text)} octets)")


def queued(node: Node) -> list[list[str]]:
    """The recipients of every message in the queue."""
    rows: list[list[str]] = []
    after: list[str] = []
    while page := node.json("queue", "list", "--limit", "5000", *after):
        rows += [row["recipients"] for row in page]
        after = ["--after", page[-1]["queue_id"]]
    return rows
