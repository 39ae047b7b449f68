"""A DNS server for tests: answers a small table over UDP on a loopback port, NXDOMAIN for all else."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from types import TracebackType

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset


class Zone:
    """``add`` records in zone-file form, then use it as a context manager; ``address`` goes into ``[dns] nameservers``."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], list[str]] = {}
        self._silent: set[str] = set()
        self.asked: Counter[str] = Counter()
        """How often each name was asked for."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def toml(self) -> str:
        """What node.toml needs to ask this server."""
        return f'[dns]\nnameservers = ["{self.address}"]\n'

    def add(self, name: str, kind: str, *values: str) -> None:
        """``add("mail.example.test", "A", "192.0.2.7")``."""
        self._records.setdefault((name.lower().rstrip("."), kind), []).extend(values)

    def add_host(self, name: str, address: str) -> None:
        """A host whose address and name agree both ways."""
        self.add(name, "AAAA" if ":" in address else "A", address)
        self.add(dns.reversename.from_address(address).to_text(), "PTR", name + ".")

    def silence(self, name: str) -> None:
        """Questions about ``name``, and about all below it, are never answered."""
        self._silent.add(name)

    def _is_silent(self, name: str) -> bool:
        return any(name == one or name.endswith(f".{one}") for one in self._silent)

    def _serve(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(4096)
            if query == b"stop":
                return
            message = dns.message.from_wire(query)
            name = message.question[0].name.to_text().lower().rstrip(".")
            self.asked[name] += 1
            if not self._is_silent(name):
                self._socket.sendto(self._answer(message).to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0]
        name = question.name.to_text().lower().rstrip(".")
        values = self._records.get((name, dns.rdatatype.to_text(question.rdtype)))
        if values:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", question.rdtype, *values))
        elif not any(known == name for known, _ in self._records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def __enter__(self) -> Zone:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"stop", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()
