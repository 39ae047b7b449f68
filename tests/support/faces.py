"""All administration faces of a running node behind one word: an operation by whichever, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType

from support.api_face import ApiFace, ClientFace
from support.desk import ADMINISTRATOR, SECRET, Desk
from support.html_pages import PagesFace
from support.node import Node

FACES = ("command line", "shell", "protocol", "HTTP API", "Python client", "pages")
LISTENERS = ("admin", "http", "https")
"""What a node needs for them."""

Ask = Callable[..., str]


class Faces:
    """Use as a context manager."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._desk = Desk(node)
        self._api = ApiFace(node, ADMINISTRATOR)
        self._client = ClientFace(node, self._api)
        self._pages = PagesFace(node, ADMINISTRATOR, SECRET)

    def ask(self, face: str) -> Ask:
        """Runs an operation by one of the faces; gives what it says. Fails if it is refused."""
        return {
            "command line": lambda *words: self._node.run(*words).stdout,
            "shell": lambda *words: self._node.run("shell", stdin=" ".join(words) + "\n").stdout,
            "protocol": lambda *words: "\n".join(self._desk.ask(*words)),
            "HTTP API": lambda *words: json.dumps(self._api.ask(*words)),
            "Python client": lambda *words: json.dumps(self._client.ask(*words)),
            "pages": lambda *words: self._pages.ask(*words).result,
        }[face]

    def __enter__(self) -> Faces:
        self._desk.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pages.close()
        self._desk.__exit__(kind, error, trace)
