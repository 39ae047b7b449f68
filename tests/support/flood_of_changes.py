"""Load on a real node that changes what is there, every acknowledgement written down (``books``, ``facts``).

One user expunges and gets back what was deleted, by IMAP and by the operation, message by message and by whole mailboxes;
renames trees; gives and takes rights. Others are delivered to by LMTP and empty their inbox by POP. An administrator
changes quotas.
``flood`` has the load that adds mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from support.async_clients import AdminLine, Imap, Lmtp, Lost, Pop
from support.books import Books, Place, Seen
from support.facts import Facts
from support.flood import INBOXES, RETRY_S, Flood, message
from support.node import Node

KEEPER = "mira@example.test"
POP_USERS = ("polly@example.test", "paul@example.org")
ADMINISTRATOR = "root@example.test"
SHADOW = "Deleted Messages"
EXPUNGED = ("Live-0", "Live-1")
RESTORED = "Oper"
FELLED = "Fell"
TREES = (("Rose-0", "Tulip-0"), ("Rose-1", "Tulip-1"))
CHILD = "petal"
SHARED = "Common"
IDENTIFIERS = ("anyone", "domain:example.org", "omar@example.org", "-lena@example.test")
RIGHTS = ("l", "lr", "lrs", "lrsw", "lrswi", "lrp")
QUOTAS_KIB = (900_000, 1_000_000, 1_100_000, 1_200_000)


class FloodOfChanges(Flood):
    """Clients for one stretch of load; ``facts`` are what else was acknowledged."""

    def __init__(self, node: Node, books: Books, facts: Facts, name: str) -> None:
        super().__init__(node, books, name)
        self.facts = facts

    def crowd(self) -> list[Awaitable[None]]:
        """The whole load, ready to be gathered."""
        readers: list[Callable[[], Awaitable[None]]] = [self.undeleter, self.feller, self.sharer]
        readers += [partial(self.expunger, box) for box in EXPUNGED]
        readers += [partial(self.renamer, number) for number in range(len(TREES))]
        senders = [self.stranger, self.stranger, self.deliverer, self.deliverer, self.deliverer]
        others = [partial(self.popper, user) for user in POP_USERS] + [self.limiter]
        return [*(self.keep(one, RETRY_S) for one in senders), *(self.keep(one) for one in (*readers, *others))]

    # Deleting, and getting back

    async def expunger(self, mailbox: str) -> None:
        """IMAP EXPUNGE, and MOVE out of the tree of deleted messages."""
        live, shadow = Place(KEEPER, mailbox), Place(KEEPER, f"{SHADOW}/{mailbox}")
        async with self._imap() as client:
            while not self.over:
                await self.expunge_some(client, live, shadow, 4)
                await self._move_back(client, shadow, live)

    async def expunge_some(self, client: Imap, live: Place, shadow: Place, most: int) -> None:
        """Most of the messages of a mailbox go, so many at a time."""
        await client.select(live.mailbox)
        rows = await client.messages()
        for chosen in _parts(self._random.sample(rows, len(rows) * 2 // 3), most):
            uids = ",".join(str(one.uid) for one in chosen)
            if (await client.ask(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")).status == "OK":
                await self._moved(client, f"UID EXPUNGE {uids}", live, shadow, [one.token for one in chosen])

    async def _move_back(self, client: Imap, shadow: Place, live: Place) -> None:
        await client.select(shadow.mailbox)
        for chosen in _parts(await client.messages(), 5):
            uids = ",".join(str(one.uid) for one in chosen)
            tokens = [one.token for one in chosen]
            await self._moved(client, f'UID MOVE {uids} "{live.mailbox}"', shadow, live, tokens, "MOVE back")

    async def _moved(
        self, client: Imap | AdminLine, command: str, source: Place, target: Place, tokens: Sequence[str], name: str = ""
    ) -> None:
        """One command that moves messages, acknowledged or not."""
        self.books.begin_move(source, target, tokens)
        result = await client.ask(command)
        self.books.end_move(source, target, tokens, moved=result.status == "OK")
        self.books.counts[f"{result.status} to {name or command.split()[1]}"] += 1

    async def undeleter(self) -> None:
        """EXPUNGE by IMAP, ``undelete restore`` by the administrator."""
        live, shadow = Place(KEEPER, RESTORED), Place(KEEPER, f"{SHADOW}/{RESTORED}")
        async with self._imap() as client, self._administrator() as admin:
            while not self.over:
                await self.expunge_some(client, live, shadow, 10)
                await client.select(shadow.mailbox)
                tokens = [one.token for one in await client.messages()]
                command = f"UNDELETE RESTORE {KEEPER} --mailbox {RESTORED}"
                await self._moved(admin, command, shadow, live, tokens, "UNDELETE")

    async def feller(self) -> None:
        """DELETE of a whole mailbox, brought back by a RENAME."""
        live, shadow = Place(KEEPER, FELLED), Place(KEEPER, f"{SHADOW}/{FELLED}")
        async with self._imap() as client:
            while not self.over:
                for command, source, target in (
                    (f'DELETE "{FELLED}"', live, shadow),
                    (f'RENAME "{shadow.mailbox}" "{FELLED}"', shadow, live),
                ):
                    tokens = sorted(self.books.sure[source])
                    if tokens:
                        await self._moved(client, command, source, target, tokens, command.split()[0] + " and back")

    # Names and rights

    async def renamer(self, number: int) -> None:
        """RENAME of a tree with messages, to and fro; now and then something is added to it."""
        key = f"tree {number}"
        async with self._imap() as client:
            while not self.over:
                old = self.facts.one(key)
                new = next(name for name in TREES[number] if name != old)
                self.facts.begin(key, new)
                result = await client.ask(f'RENAME "{old}" "{new}"')
                self.facts.end(key, new if result.status == "OK" else old)
                self.books.counts[f"{result.status} to RENAME"] += 1
                if self._random.random() < 0.1:
                    await self._grow(client, number, self.facts.one(key))

    async def _grow(self, client: Imap, number: int, name: str) -> None:
        place, token = Place(KEEPER, f"tree {number}"), self.token()
        self.books.begin((place, token))
        result = await client.ask(f'APPEND "{name}/{CHILD}"', message(token, KEEPER))
        if result.status == "OK":
            self.books.done((place, token))

    async def sharer(self) -> None:
        """SETACL and DELETEACL."""
        async with self._imap() as client:
            while not self.over:
                who = self._random.choice(IDENTIFIERS)
                rights = self._random.choice(("", *RIGHTS))
                command = f'SETACL "{SHARED}" "{who}" {rights}' if rights else f'DELETEACL "{SHARED}" "{who}"'
                await self._stated(client, command, f"acl {who}", rights)

    async def limiter(self) -> None:
        """Quotas of users and of a mailbox, by the administrator."""
        async with self._administrator() as admin:
            while not self.over:
                kib = self._random.choice(QUOTAS_KIB)
                if self._random.random() < 0.5:
                    user = self._random.choice((KEEPER, *POP_USERS))
                    await self._stated(admin, f"USER SET {user} --quota-bytes {kib}K", f"quota {user}", str(kib))
                else:
                    command = f"MAILBOX LIMIT {KEEPER} {SHARED} --quota-bytes {kib}K"
                    await self._stated(admin, command, f"quota {SHARED}", str(kib))

    async def _stated(self, client: Imap | AdminLine, command: str, key: str, value: str) -> None:
        before = self.facts.one(key)
        self.facts.begin(key, value)
        result = await client.ask(command)
        self.facts.end(key, value if result.status == "OK" else before)
        self.books.counts[f"{result.status} to {command.split()[0]}"] += 1

    # LMTP and POP

    async def deliverer(self) -> None:
        """LMTP: some messages over one connection, each to one or both of the users who read by POP."""
        client = await Lmtp.begin(self.node.ports["lmtp"])
        with contextlib.closing(client):
            for _ in range(self._random.randrange(1, 20)):
                if self.over:
                    return
                recipients = self._random.sample(POP_USERS, self._random.choice((1, 2)))
                token = self.token()
                await client.envelope("stranger@elsewhere.test", recipients)
                waiting = [(Place(one, "INBOX"), token) for one in recipients]
                self.books.begin(*waiting)
                client.send(message(token, recipients[0]) + b".\r\n")
                for entry in waiting:  # RFC 2033 §4.2: a reply for each recipient
                    reply = await client.reply()
                    if reply.code == 250:
                        self.books.done(entry)
                    self.books.counts[f"{reply.code} by LMTP"] += 1

    async def popper(self, user: str) -> None:
        """POP3: looks what is there, deletes some of it, and quits."""
        place, shadow = Place(user, "INBOX"), Place(user, f"{SHADOW}/INBOX")
        client = await Pop.begin(self.node.ports["pop3"], user)
        with contextlib.closing(client):
            subjects = await client.subjects(40)
            chosen = self._random.sample(sorted(subjects), len(subjects) * 2 // 3)
            tokens = [subjects[number] for number in chosen]
            for number in chosen:
                await client.ask(f"DELE {number}")
            self.books.begin_move(place, shadow, tokens)
            group = tuple((shadow, token) for token in tokens)
            self.books.together.append(group)
            done = await client.ask("QUIT")
            self.books.together.remove(group)
            self.books.end_move(place, shadow, tokens, moved=done.startswith(b"+OK"))
            self.books.counts["QUIT"] += bool(tokens)
        await asyncio.sleep(RETRY_S)

    @contextlib.asynccontextmanager
    async def _imap(self) -> AsyncIterator[Imap]:
        client = await Imap.begin(self.node.ports["imap"], KEEPER)
        with contextlib.closing(client), self._farewell(client):
            yield client

    @contextlib.asynccontextmanager
    async def _administrator(self) -> AsyncIterator[AdminLine]:
        with contextlib.closing(await AdminLine.begin(self.node.ports["admin"], ADMINISTRATOR)) as client:
            yield client


def _parts(rows: Sequence[Seen], most: int) -> list[Sequence[Seen]]:
    return [rows[start : start + most] for start in range(0, len(rows), most)]


# Getting ready, and looking afterwards


async def prepare(node: Node, books: Books, facts: Facts) -> None:
    """The mailboxes and messages to work on; the users are there."""
    flood = FloodOfChanges(node, books, facts, "first")
    client = await Imap.begin(node.ports["imap"], KEEPER)
    with contextlib.closing(client):
        for box in (*EXPUNGED, RESTORED, FELLED, SHARED, *(f"{names[0]}/{CHILD}" for names in TREES)):
            assert (await client.ask(f'CREATE "{box}"')).status == "OK"
        for box in (*EXPUNGED, RESTORED, FELLED):
            for _ in range(15):
                await flood.append(client, Place(KEEPER, box), flood.token())
            for token in books.sure[Place(KEEPER, box)]:
                del books.flags[Place(KEEPER, box), token]
        for box in (*EXPUNGED, RESTORED):  # so that their shadows are there
            await flood.expunge_some(client, Place(KEEPER, box), Place(KEEPER, f"{SHADOW}/{box}"), 5)
    for number, names in enumerate(TREES):
        facts.sure[f"tree {number}"] = names[0]


async def audit(node: Node, books: Books, facts: Facts) -> None:
    """Compares books and facts with what is there."""
    inboxes = [Place(user, "INBOX") for user in (*INBOXES, *POP_USERS)]
    shadows = [Place(user, f"{SHADOW}/INBOX") for user in POP_USERS]
    kept = [Place(KEEPER, top + box) for box in (*EXPUNGED, RESTORED, FELLED) for top in ("", f"{SHADOW}/")]
    found: dict[Place, list[Seen]] = {}
    stated: dict[str, str] = {}
    for user in {place.account for place in (*inboxes, *shadows, *kept)}:
        client = await Imap.begin(node.ports["imap"], user)
        with contextlib.closing(client):
            for place in (*inboxes, *shadows, *kept):
                if place.account == user:
                    found[place] = await _there(client, books, place)
            if user == KEEPER:
                stated |= await _trees(client, books, found) | await _rights(client) | await _quota(client, SHARED)
            if user in (KEEPER, *POP_USERS):
                stated |= await _quota(client, user)
    books.compare(found)
    books.problems += facts.compare(stated)


async def _there(client: Imap, books: Books, place: Place, name: str = "") -> list[Seen]:
    try:
        uid_validity = await client.select(name or place.mailbox)
    except Lost:
        return []
    rows = await client.messages()
    if FELLED in place.mailbox:  # made anew again and again
        return rows
    for one in rows:
        books.told_uid(place, uid_validity, one.uid, one.token)
    return rows


async def _trees(client: Imap, books: Books, found: dict[Place, list[Seen]]) -> dict[str, str]:
    lines = b"".join((await client.ask('LIST "" "*"')).lines).decode()
    stated = {}
    for number, names in enumerate(TREES):
        there = [name for name in names if re.search(rf'"?{name}"?\r', lines)]
        children = [name for name in names if re.search(rf'"?{name}/{CHILD}"?\r', lines)]
        stated[f"tree {number}"] = there[0] if there == children and len(there) == 1 else f"torn: {there} {children}"
        place = Place(KEEPER, f"tree {number}")
        found[place] = await _there(client, books, place, f"{(children or names)[0]}/{CHILD}")
    return stated


async def _rights(client: Imap) -> dict[str, str]:
    line = b"".join((await client.ask(f'GETACL "{SHARED}"')).lines).decode().strip()
    words = [word.strip('"') for word in line.split()[3:]]
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    return {f"acl {who}": pairs.get(who, "") for who in IDENTIFIERS}


async def _quota(client: Imap, root: str) -> dict[str, str]:
    line = b"".join((await client.ask(f'GETQUOTA "{root}"')).lines).decode()
    limit = re.search(r"STORAGE \d+ (\d+)", line)
    return {f"quota {root}": limit[1] if limit else ""}


def enough(books: Books, rounds: int) -> bool:
    """The flood was one: every kind of work was done often."""
    each = {
        "OK to EXPUNGE": 5, "OK to MOVE back": 5, "OK to UNDELETE": 1, "OK to DELETE and back": 2, "OK to RENAME": 10,
        "OK to RENAME and back": 2, "OK to SETACL": 5, "OK to USER": 2, "OK to MAILBOX": 2, "250 by LMTP": 20, "QUIT": 2,
    }  # fmt: skip
    return all(books.counts[kind] >= count * rounds for kind, count in each.items())
