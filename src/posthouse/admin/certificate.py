"""Certificates in use (TLS-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One certificate."""

    names: tuple[str, ...]
    issuer: str
    not_after: str
    days_left: int
    source: str
    fingerprint: str


@operation("certificate list", role="reader", reads=True)
async def list_(context: Context) -> Sequence[CertificateRow]:
    """Lists the certificates in use, with the names they are for and when they end."""
    now = context.clock.now()
    return [
        CertificateRow(
            names=each.names,
            issuer=each.issuer,
            not_after=stamp(each.not_after),
            days_left=int((each.not_after - now) // 86_400),
            source=each.source,
            fingerprint=each.fingerprint,
        )
        for each in await context.node.certificates()
    ]
