"""Operations on a running node over its control socket, without a process for each: for tests that ask often."""

from __future__ import annotations

from typing import Any

from posthouse.cli.remote import Node as Remote
from posthouse.protocols.control import Request
from support.node import Node


class Asking:
    """Asks one node; a new connection when it has restarted."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def ask(self, *words: str) -> Any:
        """What the operation gives, as a program sees it. Fails the test when it is refused."""
        remote = Remote(self._node.config)
        try:
            answer = remote.ask(Request(list(words), face="program"))
        finally:
            remote.close()
        assert answer.kind == "done", f"{words}: {answer.text}"
        return answer.value
