"""Where a scanner or spam engine is: one word of a setting, such as ``spamd://127.0.0.1:783`` or ``spamd:///run/spamd.sock``."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.model.address import normal_domain

BUILT_IN = ("embedded", "bulk", "pyzor")
PORTS = {"spamd": 783, "rspamd": 11333, "dcc": 0, "pyzor": 0}
_WITH_PATHS = ("spamd", "dcc", "pyzor")


@dataclass(frozen=True, slots=True)
class ScannerPlace:
    """``kind`` is the engine's; then either ``host`` and ``port``, or ``path`` of a Unix socket (of a folder with
    configuration for Pyzor), or none of them."""

    kind: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"{self.kind}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{self.port}" if host else self.kind

    @classmethod
    def parse(cls, text: str) -> ScannerPlace:
        """Raises ValueError."""
        kind, slashes, rest = text.partition("://")
        if not slashes:
            if kind not in BUILT_IN:
                raise ValueError("no such engine")
            return cls(kind)
        if kind not in PORTS:
            raise ValueError("no such engine")
        if rest.startswith("/"):
            if kind not in _WITH_PATHS or len(rest) > 100 or "\0" in rest:
                raise ValueError("not a path for it")
            return cls(kind, path=rest)
        host, port = _host_and_port(rest)
        number = int(port) if port else PORTS[kind]
        if not 0 < number < 65_536:
            raise ValueError("a port is 1 to 65535")
        return cls(kind, host, number)


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError("an IPv6 address is written [::1]:783")
        return host, _digits(port[1:])
    host, _, port = text.partition(":")
    return normal_domain(host), _digits(port)


def _digits(text: str) -> str:
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError("a port is a number")
    return text
