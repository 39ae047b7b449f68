"""Drives the SMTP and POP3 server cores in memory: accepts everything unless told otherwise; runs ``C:``/``S:`` scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from posthouse.model.verdict import Reply
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.config import ServerConfig
from posthouse.protocols.smtp.server import ServerCore, State

Policy = Callable[[ServerCore, ev.Event], bytes | None]


def accept_all(core: ServerCore, event: ev.Event) -> bytes | None:
    return None


class SmtpDriver:
    """``policy`` gives the octets of the answer (made by the core's methods), or None for the usual one."""

    def __init__(self, config: ServerConfig | None = None, policy: Policy = accept_all) -> None:
        self.core = ServerCore(config or ServerConfig("mx.example"))
        self.policy = policy
        self.events: list[ev.Event] = []
        self.out = b""

    def feed(self, data: bytes) -> bytes:
        """The octets that the server sends in answer."""
        self.core.receive(data)
        before = len(self.out)
        while (event := self.core.next_event()) is not None:
            self.events.append(event)
            octets = self.policy(self.core, event)
            self.out += self.core.accept() if octets is None else octets
            if self.core.state is State.TLS:
                self.core.tls_started()
        return self.out[before:]

    @property
    def messages(self) -> list[bytes]:
        return [event.content for event in self.events if isinstance(event, ev.MessageComplete)]


def refusing(*addresses: str) -> Policy:
    """Refuses these recipients with 550."""

    def policy(core: ServerCore, event: ev.Event) -> bytes | None:
        if isinstance(event, ev.RcptTo) and str(event.recipient) in addresses:
            return core.reply(Reply(550, "5.1.1", "No such user"))
        return None

    return policy


def run_script(feed: Callable[[bytes], bytes], script: str) -> None:
    """``C:`` lines are sent with CRLF (Python escapes are understood), those that follow one another in one piece; ``S:``
    lines are what must come back, each the beginning of a line; ``S: -`` is nothing at all."""
    sent, expected = b"", list[str]()
    for line in [*(line.strip() for line in script.strip().splitlines()), "C:"]:
        if line.startswith("C:"):
            if expected:
                _compare(feed(sent), expected, sent)
                sent, expected = b"", []
            sent += line[3:].encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1") + b"\r\n"
        elif line:
            expected.append(line.removeprefix("S:").strip())


def _compare(answer: bytes, expected: Iterable[str], sent: bytes) -> None:
    got = answer.decode().split("\r\n")[:-1]
    wanted = [line for line in expected if line != "-"]
    assert len(got) == len(wanted), f"{sent!r} was answered with {got}, not {wanted}"
    for line, start in zip(got, wanted, strict=True):
        assert line.startswith(start), f"{sent!r} was answered with {got}, not {wanted}"
