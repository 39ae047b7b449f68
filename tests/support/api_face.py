"""An administrator by the HTTP API of a running node, with a token: by hand over TLS, and by the Python client. Commands are
written as in the shell."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Sequence
from typing import Any

from posthouse.admin import registry
from posthouse.admin.arguments import split_words
from posthouse.client import Client
from posthouse.roles import certificates
from support.node import Node

OWNER = "api@example.test"


def named(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Path and arguments of the request that does what these words do in the shell."""
    found, rest = registry.find(words)
    positional, options = split_words(found.arguments, rest)
    given: dict[str, Any] = {}
    for argument in [each for each in found.arguments if not each.option]:
        if argument.rest:
            given[argument.name], positional = positional, []
        elif positional:
            given[argument.name] = positional.pop(0)
    given.update({name: True if word is None else word for name, word in options.items()})
    for argument in found.arguments:
        if argument.kind == "integer" and argument.name in given:
            given[argument.name] = int(given[argument.name])
    return f"/api/v1/{found.noun}/{found.verb}", given


class ApiFace:
    """The node has the listener ``https``. A token is made at first use: the ``owner``'s, else one's who is made for it."""

    def __init__(self, node: Node, owner: str = "") -> None:
        self._node = node
        self._owner = owner
        self._token = ""

    @property
    def token(self) -> str:
        if not self._token:
            if not self._owner:
                self._node.run("user", "add", OWNER, "--role", "administrator", "--password", "an api's own 7")
            self._token = self._node.json("token", "add", self._owner or OWNER, "tests")["token"]
        return self._token

    def request(self, path: str, body: object) -> tuple[int, Any]:
        """Status and answer."""
        trusted = ssl.create_default_context(cafile=str(self._node.folder / "data" / certificates.SELF_MADE))
        trusted.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", self._node.ports["https"], timeout=60, context=trusted)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def ask(self, *words: str) -> Any:
        """One operation; what it gives. Fails if it was refused."""
        path, given = named(words)
        status, value = self.request(path, given)
        assert status == 200, (words, value)
        return value


class ClientFace:
    """The Python client; the node has the listener ``http``, too."""

    def __init__(self, node: Node, api: ApiFace) -> None:
        self._node = node
        self._api = api

    def ask(self, *words: str) -> Any:
        """One operation; what it gives. Fails if it was refused."""
        path, given = named(words)
        noun, verb = path.removeprefix("/api/v1/").split("/")
        with Client(f"http://127.0.0.1:{self._node.ports['http']}", token=self._api.token) as client:
            return getattr(getattr(client, noun), verb)(**given)
