"""The outbreak check: fingerprints that are known to be harmless (CON-7).

The settings of the group ``outbreak`` have their short forms beside these (``outbreak set hold_s 4h``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import AlreadyExists, NotFound
from posthouse.model.settings import spec_of

ALLOWED = "outbreak.allowed"


@dataclass(frozen=True, slots=True)
class FingerprintRow:
    """One fingerprint."""

    fingerprint: str


@operation("outbreak allowed", role="reader", reads=True)
async def allowed(context: Context) -> Sequence[FingerprintRow]:
    """Lists the fingerprints of attachments that are never held."""
    return [FingerprintRow(each) for each in (await context.configuration.load()).outbreak.allowed]


@operation("outbreak allow", role="administrator")
async def allow(context: Context, fingerprint: str) -> FingerprintRow:
    """Never holds an attachment with this fingerprint again; traces and the quarantine show it.

    Args:
        fingerprint: its hexadecimal digits.
    """
    known = (await context.configuration.load()).outbreak.allowed
    wanted = fingerprint.lower()
    if wanted in known:
        raise AlreadyExists(f"{wanted} is allowed already")
    await _keep(context, (*known, wanted))
    return FingerprintRow(wanted)


@operation("outbreak disallow", role="administrator")
async def disallow(context: Context, fingerprint: str) -> None:
    """Holds attachments with this fingerprint again when they spread.

    Args:
        fingerprint: its hexadecimal digits.
    """
    known = (await context.configuration.load()).outbreak.allowed
    wanted = fingerprint.lower()
    if wanted not in known:
        raise NotFound(f"{wanted} is not among those that are allowed")
    await _keep(context, tuple(each for each in known if each != wanted))


async def _keep(context: Context, fingerprints: tuple[str, ...]) -> None:
    spec = spec_of(ALLOWED)
    spec.check(fingerprints)
    settings = await context.configuration.put([(ALLOWED, fingerprints)], who=context.who, at=context.clock.now())
    context.bus.publish("settings", {"version": settings.version})
