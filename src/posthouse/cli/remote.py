"""One operation from the command line: sent to the running node, or carried out here when the node does not run.

Blocking and light on imports, because it is what every script waits for. The steward parses and runs the words; here they
are only looked at to see whether a password or a text is wanted from standard input.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from posthouse.base.errors import MailError
from posthouse.protocols.control import (
    MAX_ANSWER_BYTES,
    Answer,
    FrameError,
    FrameReader,
    Request,
    decode_answer,
    encode,
)
from posthouse.roles.config import ConfigError, NodeConfig, load
from posthouse.servers.unix_path import socket_address

CONTROL_SOCKET = Path("run/control.sock")
TIMEOUT_S = 600.0
PATIENCE_S = 30.0
_MAX_INPUT = 1 << 20
_CHUNK = 1 << 16


class Unreachable(Exception):
    """The node cannot be asked; the text says why (exit code 3)."""


class Failed(Exception):
    """What was asked cannot be done; ``code`` is the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Locked(Exception):
    """Another process holds the data folder at this moment."""


class Node:
    """The node of one ``node.toml``, as the command line sees it."""

    def __init__(self, config_path: Path) -> None:
        """Raises Failed when the file is not right."""
        try:
            self.config: NodeConfig = load(config_path)
        except ConfigError as error:
            raise Failed(str(error), 2) from None
        self._connection: socket.socket | None = None

    def ask(self, request: Request) -> Answer:
        """Runs one operation; over one connection, if it is asked again. Raises Unreachable.

        A data folder that is locked while no socket answers belongs to a node that starts or ends: it is waited for.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            self._connection = self._connection or self._connect()
            if self._connection is not None:
                return self._over(self._connection, request)
            try:
                return self._offline(request)
            except Locked as error:
                if time.monotonic() > deadline_s:
                    raise Unreachable(str(error)) from None
                time.sleep(0.05)

    def _over(self, connection: socket.socket, request: Request) -> Answer:
        try:
            return _exchange(connection, request)
        except (OSError, FrameError) as error:
            self.close()
            raise Unreachable(f"the node did not answer: {error}") from None

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> socket.socket | None:
        """A connection to the running node; None when it does not run. Raises Unreachable."""
        path = self.config.data / CONTROL_SOCKET
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_S)
        try:
            with socket_address(path) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        except OSError as error:
            connection.close()
            raise Unreachable(f"{path}: {error.strerror or error}") from None
        return connection

    def _offline(self, request: Request) -> Answer:
        """Raises Locked, Unreachable."""
        from posthouse.roles.offline import DataLocked, run_offline

        try:
            return run_offline(self.config, request)
        except DataLocked as error:
            raise Locked(str(error)) from None
        except ConfigError as error:
            raise Unreachable(str(error)) from None
        except MailError as error:
            cause = f" ({error.cause})" if error.cause else ""
            raise Failed(f"the data folder cannot be used: {error.public}{cause}", 1) from None
        except Exception as error:  # noqa: BLE001 - the contract: one clear line, whatever the databases raised
            raise Failed(f"the data folder cannot be used: {type(error).__name__}: {error}", 1) from None


def _exchange(connection: socket.socket, request: Request) -> Answer:
    connection.sendall(encode(request))
    frames = FrameReader(MAX_ANSWER_BYTES)
    while (body := frames.next()) is None:
        data = connection.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("connection closed")
        frames.feed(data)
    return decode_answer(body)


def from_input(words: Sequence[str]) -> dict[str, str]:
    """What the operation wants from standard input, by argument name: a password (one line) or a text (all of it). A
    password that need not be given is read from there if it is given as ``-``.

    Looks at the syntax first, so that no one types a password in vain. Raises Failed for wrong syntax, an empty password.
    """
    from posthouse.admin import registry
    from posthouse.admin.arguments import UsageError, is_dash, parse_words
    from posthouse.base.errors import BadValue

    try:
        found, rest = registry.find(words)
        values = parse_words(found.arguments, rest, now=time.time(), domain="invalid")
        wanted = [argument for argument in found.arguments if argument.required and argument.name not in values]
        for argument in wanted:
            if not argument.from_input:
                raise UsageError(f"{found.name}: {argument.word} is missing; usage: {found.usage}")
        wanted += [argument for argument in found.arguments if is_dash(values.get(argument.name))]
    except BadValue as error:
        raise Failed(error.public, 2) from None
    return {argument.name: _password(argument.word) if argument.kind == "secret" else _text() for argument in wanted}


def _password(name: str) -> str:
    if sys.stdin.isatty():
        import getpass

        first = getpass.getpass(f"{name}: ")
        if first and getpass.getpass(f"{name} again: ") != first:
            raise Failed("the two are not the same", 1)
    else:
        first = sys.stdin.readline(_MAX_INPUT).removesuffix("\n").removesuffix("\r")
    if not first:
        raise Failed(f"the {name} is empty", 1)
    return first


def _text() -> str:
    text = sys.stdin.read(_MAX_INPUT + 1)
    if len(text) > _MAX_INPUT:
        raise Failed("the text on standard input is too long", 1)
    return text


def one_line(text: str) -> str:
    """An error's text as the one line that goes to standard error."""
    return " ".join(text.split())


def default_config() -> Path:
    """The node's file when no option names it."""
    return Path(os.environ.get("POSTHOUSE_CONFIG", "node.toml"))
