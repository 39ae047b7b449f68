"""The client's methods, made from the server's OpenAPI description: ``client.NOUN.VERB(arguments)``.

Words in order are the operation's words in the shell, options go by name. A last argument that takes many takes them one by one
or as a list. Where a name is a word of Python's, ``_`` is put behind: ``client.setting.import_(...)``.
"""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from posthouse.client.errors import BadArgument
from posthouse.client.wire import Wire

_ROOT = "/api/v1/"
_DESCRIPTION = _ROOT + "openapi.json"


class Client:
    """``url``: ``https://HOST[:PORT]``. ``token`` from ``token add``, or ``login``, an administrator's address and password.
    ``cafile``: the certificate of a node that has a self-made one; or ``tls``, a whole context.

    The description is fetched at the first use. Raises ValueError for a URL that is none, or would show the secret to the
    network.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        login: tuple[str, str] | None = None,
        cafile: str | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        if cafile is not None:
            tls = ssl.create_default_context(cafile=cafile)
        self._wire = Wire(url, token, login, tls, timeout_s)
        self._nouns: dict[str, Noun] = {}

    def __getattr__(self, name: str) -> Noun:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._described().get(name.removesuffix("_"))
        if found is None:
            raise AttributeError(f"there is no noun {name!r}; there are {', '.join(self._described())}")
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._described()]

    def run(self, noun: str, verb: str, **arguments: object) -> Any:
        """One operation by its name, without a look at the description. Raises ApiError."""
        return self._wire.post(f"{_ROOT}{noun}/{verb}", arguments)

    def close(self) -> None:
        """Ends the connection."""
        self._wire.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _described(self) -> dict[str, Noun]:
        if not self._nouns:
            operations: dict[str, dict[str, Operation]] = {}
            for path, methods in self._wire.get(_DESCRIPTION)["paths"].items():
                noun, _, verb = path.removeprefix(_ROOT).partition("/")
                operations.setdefault(noun, {})[verb] = Operation(self._wire, path, methods["post"])
            self._nouns = {noun: Noun(noun, verbs) for noun, verbs in operations.items()}
        return self._nouns


class Noun:
    """What can be done with one kind of thing."""

    def __init__(self, name: str, verbs: Mapping[str, Operation]) -> None:
        self._name = name
        self._verbs = verbs
        self.__doc__ = "\n".join(f"{verb}: {each.summary}" for verb, each in verbs.items())

    def __getattr__(self, name: str) -> Operation:
        if name.startswith("__") or name.removesuffix("_") not in self._verbs:
            raise AttributeError(f"{self._name} has no {name!r}; it has {', '.join(self._verbs)}")
        return self._verbs[name.removesuffix("_")]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._verbs]


class Operation:
    """One operation: call it, or ask it for its rows one by one. ``reads``: it changes nothing."""

    def __init__(self, wire: Wire, path: str, described: Mapping[str, Any]) -> None:
        self._wire = wire
        self._path = path
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        self._properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
        self.summary: str = described["summary"]
        self.reads: bool = described["x-reads"]
        self.role: str = described["x-role"]
        helps = [f"  {name}: {each.get('description', '')}" for name, each in self._properties.items()]
        self.__doc__ = "\n".join([described["description"], "", *helps])
        self.__signature__ = self._signature(schema["required"])
        self.__name__ = path.removeprefix(_ROOT).replace("/", " ")

    def __call__(self, *words: object, **named: object) -> Any:
        """What the operation gives: None, a text, a dict, or a list of these. Raises ApiError."""
        return self._wire.post(self._path, self._arguments(words, named))

    def each(self, *words: object, **named: object) -> Iterator[Any]:
        """The rows of a list, one by one. Raises ApiError."""
        return self._wire.rows(self._path, self._arguments(words, named))

    def _arguments(self, words: tuple[object, ...], named: Mapping[str, object]) -> dict[str, object]:
        given: dict[str, object] = {}
        left = list(words)
        for name, each in self._properties.items():
            if not left or each["x-option"]:
                continue
            if each["type"] == "array":
                given[name] = list(left[0]) if len(left) == 1 and isinstance(left[0], (list, tuple)) else left
                left = []
            else:
                given[name] = left.pop(0)
        if left:
            raise BadArgument(f"{self.__name__} takes fewer words: {left[0]!r} is too many")
        for word, value in named.items():
            name = word if word in self._properties else word.removesuffix("_")
            if name not in self._properties:
                raise BadArgument(f"{self.__name__} has no argument {word!r}; it has {', '.join(self._properties)}")
            if name in given:
                raise BadArgument(f"{self.__name__}: {name} is given twice")
            given[name] = list(value) if isinstance(value, tuple) else value
        return given

    def _signature(self, required: list[str]) -> inspect.Signature:
        kinds = inspect.Parameter
        parameters = []
        for name, each in self._properties.items():
            kind = kinds.KEYWORD_ONLY if each["x-option"] else kinds.POSITIONAL_OR_KEYWORD
            default = kinds.empty if name in required else each.get("default")
            parameters.append(inspect.Parameter(name, kind, default=default))
        return inspect.Signature(parameters)
