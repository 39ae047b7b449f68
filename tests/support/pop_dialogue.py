"""Drives the POP3 core in memory: user ``jane`` with password ``secret``, a given maildrop."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.protocols.pop3 import events as ev
from posthouse.protocols.pop3.maildrop import Entry
from posthouse.protocols.pop3.server import PopConfig, PopCore, State


class PopDriver:
    """``removed`` is what QUIT asked to remove; ``failing`` makes that fail."""

    def __init__(self, config: PopConfig | None = None, messages: Sequence[bytes] = (), *, failing: bool = False) -> None:
        self.core = PopCore(config or PopConfig("pop.example"))
        self.messages = messages
        self.failing = failing
        self.removed: tuple[int, ...] | None = None
        self.events: list[ev.Event] = []

    def feed(self, data: bytes) -> bytes:
        """The octets that the server sends in answer."""
        self.core.receive(data)
        out = b""
        while (event := self.core.next_event()) is not None:
            self.events.append(event)
            out += self._answer(event)
            if self.core.state is State.TLS:
                self.core.tls_started()
        return out

    def _answer(self, event: ev.Event) -> bytes:
        core = self.core
        if isinstance(event, ev.Login):
            return self._login(right=(event.login, event.password) in (("jane", "secret"), ("j\xe4ne", "two words ")))
        if isinstance(event, ev.Auth) and event.initial is None:
            return core.challenge(b"go on")
        if isinstance(event, (ev.Auth, ev.AuthLine)):
            return self._login(right=(event.initial if isinstance(event, ev.Auth) else event.data) == b"right")
        if isinstance(event, ev.Retrieve):
            return core.message(self.messages[event.index])
        if isinstance(event, ev.Quit):
            self.removed = event.deleted
            return core.refuse("Some messages were not removed", "SYS/TEMP") if self.failing else core.accept()
        return core.accept()

    def _login(self, *, right: bool) -> bytes:
        if not right:
            return self.core.refuse("Wrong login or password", "AUTH")
        return self.core.opened([Entry(len(content), f"uid{number}") for number, content in enumerate(self.messages)])
