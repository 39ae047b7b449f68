"""What certificate a mail host shows: asks for TLS as another mail host would, and goes away (interfaces/probe.py, PLN-2).

Domains may name any host, so what leads into private networks is left alone, but for addresses that are the node's own.
RFC 3207, RFC 7672, RFC 8461 §4.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import ssl
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from posthouse.backends.certificates_shown import NotProven, chain_of, matches, prove
from posthouse.base.errors import Temporary
from posthouse.interfaces.probe import ServedTls
from posthouse.interfaces.resolver import Resolver
from posthouse.model.tls_policy import Tlsa

PORT = 25
CONNECT_S = 5.0
WHOLE_S = 20.0
MAX_LINES = 100


class _NotOffered(Exception):
    """The host has no STARTTLS."""


class MailTls:
    """``name`` is how it greets; ``own_network()`` tells whether private addresses may be asked; ``ca_file()`` names
    trusted certificates, "": the system's."""

    def __init__(self, resolver: Resolver, name: str, own_network: Callable[[], bool], ca_file: Callable[[], str]) -> None:
        self._name = name
        self._resolver = resolver
        self._own_network = own_network
        self._ca_file = ca_file

    async def look(self, host: str, records: Sequence[Tlsa], names: Sequence[str], allowed: Sequence[str]) -> ServedTls:
        """Raises Temporary when the host cannot be reached."""
        address = await self._address(host, allowed)
        file = self._ca_file()
        strict = await asyncio.to_thread(lambda: ssl.create_default_context(cafile=file or None))
        lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
        untrusted = ""
        try:
            try:
                chain = await self._chain(address, host, strict)
            except ssl.SSLCertVerificationError as error:
                untrusted = error.verify_message or str(error)
                chain = await self._chain(address, host, lax)
        except _NotOffered:
            return ServedTls(offered=False)
        except ssl.SSLError as error:
            return ServedTls(offered=True, broken=str(error))
        except (OSError, TimeoutError, ValueError, EOFError) as error:
            cause = f"{host} ({address}) port {PORT}: {str(error) or 'timed out'}"
            raise Temporary("The mail host does not answer", cause=cause) from error
        return _served(chain, records, names, untrusted)

    async def _address(self, host: str, allowed: Sequence[str]) -> str:
        found = sorted(await self._resolver.addresses(host), key=lambda address: ":" in address)
        for address in found:
            if self._own_network() or address in allowed or ipaddress.ip_address(address).is_global:
                return address
        raise Temporary("The mail host does not answer", cause=f"{host} has no public address")

    async def _chain(self, address: str, host: str, context: ssl.SSLContext) -> list[x509.Certificate]:
        async with asyncio.timeout(WHOLE_S):
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(address, PORT)
            try:
                await _reply(reader, "220")
                writer.write(f"EHLO {self._name}\r\n".encode())
                if not any(line[4:].strip().upper() == "STARTTLS" for line in await _reply(reader, "250")):
                    raise _NotOffered
                writer.write(b"STARTTLS\r\n")
                await _reply(reader, "220")
                await writer.start_tls(context, server_hostname=host)
                return chain_of(writer.get_extra_info("ssl_object"))
            finally:
                writer.close()
                with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
                    await asyncio.wait_for(writer.wait_closed(), 1.0)


async def _reply(reader: asyncio.StreamReader, wanted: str) -> list[str]:
    lines: list[str] = []
    while len(lines) < MAX_LINES:
        line = (await reader.readline()).decode("ascii", "replace")
        if not line:
            raise EOFError("the connection was closed")
        lines.append(line)
        if line[3:4] != "-":
            break
    if not lines[-1].startswith(wanted):
        raise ValueError(f"it says {lines[-1].strip()[:200]!r}")
    return lines


def _served(chain: Sequence[x509.Certificate], records: Sequence[Tlsa], names: Sequence[str], untrusted: str) -> ServedTls:
    unproven = ""
    try:
        prove(chain, records, names)
    except NotProven as error:
        unproven = str(error)
    if not chain:
        return ServedTls(offered=True, untrusted=untrusted, unproven=unproven)
    key = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    matching = [each for each in records if any(matches(shown, each) for shown in (chain[:1] if each.usage == 3 else chain))]
    return ServedTls(
        offered=True,
        untrusted=untrusted,
        unproven=unproven,
        matching=tuple(each for each in matching if each.is_usable),
        record=Tlsa(3, 1, 1, hashlib.sha256(key).digest()),
        not_after=chain[0].not_valid_after_utc.timestamp(),
    )
