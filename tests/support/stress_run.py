"""The stress test itself: random commands of two clients on one mailbox, each answer checked against the model.

``step`` is one command of one client, with everything it must do known beforehand. ``storm`` is many commands of both at the
same time; what they must do is not known, but each client's view must hold together, and afterwards all must agree.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from support.stress_clients import Answer, Command, LibraryClient, RawClient, spread
from support.stress_model import NO_EXPUNGE, Mail, Seen, Truth, View, code_of, is_out_of_range

FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "$a", "$b")
BOX, OTHER = "stress", "elsewhere"
MANY = 50


@dataclass(slots=True)
class Player:
    """One client with its view. ``raw``: knows the extensions, CONDSTORE is on; ``qresync`` too."""

    client: RawClient | LibraryClient
    view: View
    raw: bool
    qresync: bool = False


class Stress:
    """``port`` gives the port of the node's IMAP service, anew after a restart."""

    def __init__(self, port: Callable[[], int], login: str, password: str, seed: int) -> None:
        self._port, self._login, self._password = port, login, password
        self.random = random.Random(seed)
        self.truth = Truth()
        self.commands = 0
        self.resync_from = 1
        self._made = 0
        self.players: list[Player] = []
        setup = RawClient(port(), login, password)
        for box in (BOX, OTHER):
            setup.run(Command(("CREATE", box)))
        setup.close()
        self.connect()

    def connect(self) -> None:
        """Both clients anew; the raw one takes up what it knew by QRESYNC."""
        old = next((player for player in self.players if player.raw), None)
        raw = Player(RawClient(self._port(), self._login, self._password), View("raw"), raw=True, qresync=True)
        library = Player(LibraryClient(self._port(), self._login, self._password), View("imaplib"), raw=False)
        self.players = [raw, library]
        self._run(raw, Command(("ENABLE", "QRESYNC")))
        if old is None:
            self._select(raw)
        else:
            self._resync(raw, old.view)
        self._select(library)

    def close(self) -> None:
        for player in self.players:
            player.client.close()

    # --- one command, exactly

    def step(self) -> None:
        player = self.random.choice(self.players)
        size = len(self.truth.mails)
        kinds: list[Callable[[Player], None]] = []
        kinds += [self._fetch] * 5 + [self._store] * 6 + [self._search] * 3 + [self._noop] * 2
        kinds += (
            [self._append] * (6 if size < MANY // 3 else 2) + [self._expunge] * (6 if size > MANY else 2) + [self._body] * 2
        )
        kinds += [self._copy] * (1 if size < MANY else 0) + [self._move] * (4 if size > MANY else 1)
        kinds += [self._again] if self.random.random() < 0.3 else []
        if player.raw:
            kinds += [self._conditional_store, self._changed_since, self._sort, self._idle, self._replace]
        self.random.choice(kinds)(player)

    def _run(self, player: Player, command: Command) -> Answer:
        self.commands += 1
        return player.client.run(command)

    def _do(self, player: Player, command: Command, change: Callable[[Answer], None] | None = None) -> Answer:
        """Runs a command, applies what it said and what it must have done, and compares."""
        answer = self._run(player, command)
        may_expunge = command.uid or command.name not in NO_EXPUNGE
        player.view.take(answer, may_expunge=may_expunge)
        if change is not None:
            change(answer)
        self._fill(player)
        player.view.check(self.truth, ghosts=not may_expunge)
        return answer

    def _fill(self, player: Player) -> None:
        """Fetches what the client was told the existence of."""
        places = [at for at, mail in enumerate(player.view.mails, 1) if mail.uid is None or mail.flags is None]
        if places:
            answer = self._run(player, Command(("FETCH", f"{places[0]}:{places[-1]}", "(UID FLAGS)")))
            assert answer.status == "OK", answer
            player.view.take(answer, may_expunge=False)

    def _set(self, player: Player, *, uid: bool) -> str:
        """A random set; sometimes of what is not there."""
        top = (self.truth.uid_next if uid else len(player.view.mails)) + (self.random.random() < 0.05)

        def one() -> str:
            if self.random.random() < 0.1:
                return "*"
            if uid and self.truth.mails and self.random.random() < 0.8:
                return str(self.random.choice(list(self.truth.mails)))
            return str(self.random.randint(1, max(top, 1)))

        return self.random.choice([one(), f"{one()}:{one()}", "1:*", f"{one()},{one()},{one()}:{one()}"])

    def _targets(self, player: Player, text: str, *, uid: bool) -> list[int] | None:
        """The UIDs that a command means whose session looks at the mailbox first; None: it must be answered with BAD."""
        there = list(self.truth.mails)
        if not uid:
            known = player.view.uids
            there = known + [one for one in there if one not in set(known)]
            if is_out_of_range(text, len(there)):
                return None
        view = View("")
        view.mails = [Seen(one) for one in there]
        return view.chosen_uids(text, uid=uid)

    def _alive(self, targets: list[int] | None) -> list[int]:
        return [one for one in targets or () if one in self.truth.mails]

    def _fetch(self, player: Player) -> None:
        uid = self.random.random() < 0.5
        text = self._set(player, uid=uid)
        targets = self._targets(player, text, uid=uid)
        items = "(UID FLAGS MODSEQ)" if player.raw else "(UID FLAGS)"
        answer = self._do(player, Command(("FETCH", text, items), uid))
        if targets is None:
            assert answer.status == "BAD", (answer, text)
            return
        assert answer.status == "OK", answer
        told = answer.of("FETCH")[-len(targets) :] if targets else []
        assert [event.uid for event in told] == targets, (text, told, targets)
        for event in told:
            mail = self.truth.mails.get(event.uid or 0)
            assert mail is None or not player.raw or event.mod_seq == mail.mod_seq, (event, mail)

    def _body(self, player: Player) -> None:
        uid, seen = self.random.random() < 0.5, self.random.random() < 0.5
        text = self._set(player, uid=uid)
        targets = self._targets(player, text, uid=uid)
        alive = self._alive(targets)

        def change(answer: Answer) -> None:
            if seen and answer.status != "BAD":
                self.truth.store(alive, "+", frozenset({"\\Seen"}))

        answer = self._do(player, Command(("FETCH", text, "(UID BODY[])" if seen else "(UID BODY.PEEK[])"), uid), change)
        right = "BAD" if targets is None else "OK" if alive == targets else "NO"
        assert answer.status == right, (answer, text, targets, alive)
        bodies = [(event.uid, event.body) for event in answer.of("FETCH") if event.body is not None]
        assert bodies == [(one, self.truth.mails[one].content) for one in alive], (text, bodies)

    def _some_flags(self) -> frozenset[str]:
        return frozenset(self.random.sample(FLAGS, self.random.randint(0, 3)))

    def _store(self, player: Player) -> None:
        uid, silent = self.random.random() < 0.5, self.random.random() < 0.3
        text, action, flags = self._set(player, uid=uid), self.random.choice(("+", "-", "")), self._some_flags()
        targets = self._targets(player, text, uid=uid)
        alive = self._alive(targets)

        def change(answer: Answer) -> None:
            if answer.status != "BAD":
                self.truth.store(alive, action, flags)
            if silent and answer.status != "BAD":  # the client knows what it did
                for mail in player.view.mails:
                    if mail.uid in alive and mail.flags is not None:
                        mail.flags = {"+": mail.flags | flags, "-": mail.flags - flags, "": flags}[action]

        words = ("STORE", text, f"{action}FLAGS{'.SILENT' if silent else ''}", f"({' '.join(sorted(flags))})")
        answer = self._do(player, Command(words, uid), change)
        right = "BAD" if targets is None else "OK" if alive == targets else "NO"
        assert answer.status == right, (answer, text, targets, alive)
        if not silent:
            told = {event.uid or player.view.mails[event.number - 1].uid for event in answer.of("FETCH")}
            assert set(alive) <= told, (answer, alive)

    def _some_mod_seq(self) -> int:
        """One at which some of the messages were changed, some not yet."""
        return self.random.choice([mail.mod_seq for mail in self.truth.mails.values()] or [1])

    def _conditional_store(self, player: Player) -> None:
        text, flags = self._set(player, uid=True), self._some_flags() | {"$a"}
        since = self._some_mod_seq()
        targets = self._targets(player, text, uid=True) or []
        refused = [one for one in targets if self.truth.mails[one].mod_seq > since]

        def change(_answer: Answer) -> None:
            self.truth.store([one for one in targets if one not in refused], "+", flags)

        words = ("STORE", text, f"(UNCHANGEDSINCE {since})", "+FLAGS", f"({' '.join(sorted(flags))})")
        answer = self._do(player, Command(words, uid=True), change)
        code = code_of(answer)
        told = list(spread(code.removeprefix("MODIFIED "))) if code.startswith("MODIFIED") else []
        assert answer.status == "OK" and told == refused, (answer, refused)

    def _changed_since(self, player: Player) -> None:
        since = self._some_mod_seq()
        answer = self._do(player, Command(("FETCH", "1:*", "(FLAGS)", f"(CHANGEDSINCE {since})"), uid=True))
        right = [uid for uid, mail in self.truth.mails.items() if mail.mod_seq > since]
        told = answer.of("FETCH")[-len(right) :] if right else []
        assert answer.status == "OK" and [event.uid for event in told] == right, (answer, right)

    def _search(self, player: Player) -> None:
        uid = self.random.random() < 0.5
        keys: list[tuple[str, Callable[[int, Mail], bool]]] = [
            ("UNSEEN", lambda _, mail: "\\Seen" not in mail.flags),
            ("DELETED", lambda _, mail: "\\Deleted" in mail.flags),
            ("NOT KEYWORD $b", lambda _, mail: "$b" not in mail.flags),
            ("OR KEYWORD $a FLAGGED", lambda _, mail: bool({"$a", "\\Flagged"} & mail.flags)),
            ("UID 5:20", lambda one, _: 5 <= one <= 20),
            ("ALL", lambda _, __: True),
        ]
        text, matches = self.random.choice(keys)
        there = self._targets(player, "1:*", uid=uid) or []
        view = {mail.uid or 0: Mail(mail.flags or frozenset(), b"", 0) for mail in player.view.mails}
        answer = self._do(player, Command(("SEARCH", *text.split()), uid))
        right = [
            at if not uid else one for at, one in enumerate(there, 1) if matches(one, self.truth.mails.get(one) or view[one])
        ]
        found = [number for event in answer.of("SEARCH") for number in event.numbers]
        assert answer.status == "OK" and found == right, (text, uid, answer, right)

    def _sort(self, player: Player) -> None:
        answer = self._do(player, Command(("SORT", "(REVERSE SIZE)", "UTF-8", "ALL"), uid=True))
        right = sorted(self.truth.mails, key=lambda uid: -len(self.truth.mails[uid].content))
        assert answer.status == "OK" and list(answer.of("SORT")[0].numbers) == right, (answer, right)

    def _noop(self, player: Player) -> None:
        answer = self._do(player, Command((self.random.choice(("NOOP", "CHECK")),)))
        assert answer.status == "OK", answer

    def _idle(self, player: Player) -> None:
        assert self._do(player, Command(("IDLE\r\nDONE",))).status == "OK"

    def _letter(self) -> bytes:
        self._made += 1
        return b"Subject: n%d\r\n\r\n%b" % (self._made, b"x" * self.random.randint(0, 300))

    def _append(self, player: Player) -> None:
        content, flags = self._letter(), self._some_flags()

        def change(answer: Answer) -> None:
            assert answer.status == "OK", answer
            self.truth.mod_seq += 1
            uid = self.truth.add(content, flags)
            assert not player.raw or code_of(answer).endswith(f" {uid}"), (answer, uid)

        words = ("APPEND", BOX, f"({' '.join(sorted(flags))})")
        self._do(player, Command(words, message=content), change)

    def _replace(self, player: Player) -> None:
        if not player.view.mails:
            return
        uid, content = self.random.choice(player.view.uids), self._letter()

        def change(answer: Answer) -> None:
            there = uid in self.truth.mails
            assert answer.status == ("OK" if there else "NO"), (answer, uid)
            if there:
                self.truth.mod_seq += 1
                self.truth.add(content, frozenset())
                self.truth.remove([uid])

        self._do(player, Command(("REPLACE", str(uid), BOX), uid=True, message=content), change)

    def _expunge(self, player: Player) -> None:
        if self.random.random() < 0.4:
            text = self._set(player, uid=True)
            among = set(player.view.chosen_uids(text, uid=True))
            command = Command(("EXPUNGE", text), uid=True)
        else:
            command, among = Command(("EXPUNGE",)), None
        answer = self._do(player, command, lambda _answer: self.truth.remove(self.truth.deleted(among)))
        assert answer.status == "OK", answer

    def _copy(self, player: Player) -> None:
        self._transfer(player, "COPY", BOX if self.random.random() < 0.5 else OTHER)

    def _move(self, player: Player) -> None:
        self._transfer(player, "MOVE", BOX if self.random.random() < 0.2 else OTHER)

    def _transfer(self, player: Player, name: str, box: str) -> None:
        uid = self.random.random() < 0.5
        text = self._set(player, uid=uid)
        targets = self._targets(player, text, uid=uid)
        alive = self._alive(targets)

        def change(answer: Answer) -> None:
            if answer.status != "OK" or not alive:
                return
            if box == BOX:
                self.truth.mod_seq += 1
                for one in alive:
                    self.truth.add(self.truth.mails[one].content, self.truth.mails[one].flags)
            if name == "MOVE":
                self.truth.remove(alive)
                self.truth.mod_seq -= box == BOX

        answer = self._do(player, Command((name, text, box), uid), change)
        right = "BAD" if targets is None else "OK" if alive == targets else "NO"
        assert answer.status == right, (answer, text, targets, alive)

    def _again(self, player: Player) -> None:
        """CLOSE or UNSELECT, and SELECT: plainly, or by QRESYNC with what was known."""
        if player.raw and self.random.random() < 0.5:
            assert self._run(player, Command(("UNSELECT",))).status == "OK"
            for _ in range(self.random.randint(0, 5)):
                self._noop_or_change(self.players[1])
            old, player.view = player.view, View("raw")
            self._resync(player, old)
            return
        assert self._run(player, Command(("CLOSE",))).status == "OK"
        self.truth.remove(self.truth.deleted())
        if self.random.random() < 0.2:
            for command in (("DELETE", OTHER), ("CREATE", OTHER)):
                assert self._run(player, Command(command)).status == "OK"
        self._select(player)

    def _noop_or_change(self, player: Player) -> None:
        self.random.choice([self._noop, self._store, self._append, self._expunge, self._move])(player)

    def _select(self, player: Player) -> None:
        player.view = View(player.view.name)
        answer = self._run(player, Command(("SELECT", BOX)))
        assert answer.status == "OK", answer
        player.view.take(answer, may_expunge=False)
        self._check_codes(answer)
        self._fill(player)
        player.view.check(self.truth, ghosts=False)

    def _check_codes(self, answer: Answer) -> None:
        said = " ".join(event.text for event in answer.events)
        assert not self.truth.mails or f"UIDNEXT {self.truth.uid_next}" in said, (said, self.truth.uid_next)
        assert f"HIGHESTMODSEQ {self.truth.mod_seq}" in said, (said, self.truth.mod_seq)

    def _resync(self, player: Player, known: View) -> None:
        """SELECT with QRESYNC: what the client knew, and what it is told, must make up the mailbox."""
        player.view.mails = [Seen(mail.uid, mail.flags) for mail in known.mails]
        words = ("SELECT", BOX, f"(QRESYNC ({self._validity(player)} {self.resync_from} 1:*))")
        answer = self._run(player, Command(words))
        assert answer.status == "OK", answer
        gone = {uid for event in answer.of("EARLIER") for uid in event.numbers}
        exists = answer.of("EXISTS")[-1].number
        kept = [mail for mail in player.view.mails if mail.uid not in gone]
        player.view.mails = kept + [Seen() for _ in range(exists - len(kept))]
        assert len(player.view.mails) == exists, (answer, len(kept))
        for event in answer.of("FETCH"):
            player.view.take(Answer(events=[event]), may_expunge=False)
        self._check_codes(answer)
        self._fill(player)
        player.view.check(self.truth, ghosts=False)

    def _validity(self, player: Player) -> int:
        answer = self._run(player, Command(("STATUS", BOX, "(UIDVALIDITY)")))
        text = next(event.text for event in answer.events if "UIDVALIDITY" in event.text)
        return int(text.rstrip(")").rpartition(" ")[2])

    def remember(self) -> None:
        """Brings both views up to now, so that the raw client may later resync from here."""
        for player in self.players:
            self._noop(player)
        self.resync_from = self.truth.mod_seq

    # --- many at once

    def storm(self, count: int) -> None:
        """Both clients send ``count`` commands at the same time; then all must agree."""
        raw, library = self.players
        failures: list[Exception] = []
        work = [self._storm_commands(raw, count), self._storm_commands(library, count)]

        def go(player: Player, commands: list[Command], *, pipelined: bool) -> None:
            try:
                if pipelined:
                    assert isinstance(player.client, RawClient)
                    answers = player.client.run_all(commands)
                    pairs = list(zip(commands, answers, strict=True))
                    for command, answer in pairs:
                        self._take_storm(player, command, answer)
                else:
                    for command in commands:
                        self._take_storm(player, command, player.client.run(command))
            except (AssertionError, OSError) as error:
                failures.append(error)

        threads = [
            threading.Thread(target=go, args=(raw, work[0]), kwargs={"pipelined": True}),
            threading.Thread(target=go, args=(library, work[1]), kwargs={"pipelined": False}),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        self.commands += 2 * count
        self._learn_truth()
        for player in self.players:
            player.view.take(self._run(player, Command(("NOOP",))), may_expunge=True)
            self._fill(player)
            player.view.check(self.truth, ghosts=False)

    def _take_storm(self, player: Player, command: Command, answer: Answer) -> None:
        assert answer.status in ("OK", "NO", "BAD") and "SERVERBUG" not in answer.text, (command, answer)
        player.view.take(answer, may_expunge=command.uid or command.name not in NO_EXPUNGE)

    def _storm_commands(self, player: Player, count: int) -> list[Command]:
        def make() -> Command:
            uid = self.random.random() < 0.5
            text = self._set(player, uid=uid)
            flags = f"({' '.join(sorted(self._some_flags()))})"
            return self.random.choice(
                [
                    Command(("FETCH", text, "(UID FLAGS)"), uid),
                    Command(("FETCH", text, "(UID FLAGS RFC822.SIZE)"), uid),
                    Command(("STORE", text, "+FLAGS", flags), uid),
                    Command(("STORE", text, "-FLAGS", flags), uid),
                    Command(("SEARCH", "DELETED"), uid),
                    Command(("NOOP",)),
                    Command(("EXPUNGE",)),
                    Command(("MOVE", text, OTHER), uid=True) if self.random.random() < 0.3 else Command(("NOOP",)),
                    Command(("APPEND", BOX, flags), message=self._letter()),
                    Command(("APPEND", BOX, flags), message=self._letter()),
                ]
            )

        return [make() for _ in range(count)]

    def _learn_truth(self) -> None:
        """What the mailbox is now, as a third client sees it."""
        third = RawClient(self._port(), self._login, self._password)
        said = third.run(Command(("EXAMINE", BOX)))
        text = " ".join(event.text for event in said.events)
        fetched = third.run(Command(("FETCH", "1:*", "(UID FLAGS MODSEQ BODY.PEEK[])")))
        third.close()
        self.truth = Truth(
            {
                event.uid or 0: Mail(event.flags or frozenset(), event.body or b"", event.mod_seq or 0)
                for event in fetched.of("FETCH")
            },
            int(text.split("UIDNEXT ")[1].split("]")[0]),
            int(text.split("HIGHESTMODSEQ ")[1].split("]")[0]),
        )
