"""An administrator by the administration protocol: an operation takes milliseconds, a command line half a second."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from types import TracebackType

from support.node import PASSWORD, Node

ADMINISTRATOR, SECRET = "desk@example.test", "the desk's own 7"


class Desk:
    """Use as a context manager; the node has the listener ``admin``. ``first`` is what a balancer would send. ``user`` is who
    sits at it, with the users' password; without one, an administrator who is made for it."""

    def __init__(self, node: Node, *, first: bytes = b"", user: str = "") -> None:
        if not user:
            node.run("user", "add", ADMINISTRATOR, "--role", "administrator", "--password", SECRET)
        self._socket = socket.create_connection(("127.0.0.1", node.ports["admin"]), timeout=60)
        self._socket.sendall(first)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self.ask("login", *((user, PASSWORD) if user else (ADMINISTRATOR, SECRET)))

    def ask(self, *words: str) -> list[str]:
        """One operation; its data lines as text. Fails if it was refused."""
        found, end = self._exchange(words)
        assert end.startswith("x OK"), (words, end)
        return found

    def refused(self, *words: str) -> str:
        """Why one operation is refused. Fails if it was not."""
        _, end = self._exchange(words)
        assert not end.startswith("x OK"), (words, end)
        return end.removeprefix("x ")

    def _exchange(self, words: tuple[str, ...]) -> tuple[list[str], str]:
        """The data lines and the last line."""
        quoted = " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
        self._socket.sendall(f"x {quoted}\r\n".encode())
        found: list[str] = []
        while (line := self._line()).startswith("* "):
            found.append(line.removeprefix("* x "))
        return found, line

    def _line(self) -> str:
        """A line, with the literal that it may end in."""
        line = self._lines.readline().decode().rstrip("\r\n")
        if not line.endswith("}") or not (size := line[line.rfind("{") + 1 : -1]).isdigit():
            return line
        text = self._lines.read(int(size)).decode()
        return line + text + self._lines.readline().decode().rstrip("\r\n")

    def set(self, key: str, value: str) -> None:
        self.ask("setting", "set", key, value)

    @contextlib.contextmanager
    def settings(self, **values: str) -> Iterator[None]:
        """Sets settings of the group ``smtp``, and back to their defaults afterwards."""
        for key, value in values.items():
            self.set(f"smtp.{key}", value)
        try:
            yield
        finally:
            for key in values:
                self.ask("setting", "reset", f"smtp.{key}")

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lines.close()
        self._socket.close()
