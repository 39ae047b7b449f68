"""The record of a message's path (MON-1): what every face of tracing reads.

A ``TraceRecord`` is written once per mail transaction when it ends (accepted, refused, or given up), and once for every
later event of the same message (an attempt of the queue). ``trace_id`` ties them together on all tiers. A message makes a dozen
steps, so these are structures of msgspec, which are made and packed several times as fast as dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class TraceStep(msgspec.Struct, frozen=True):
    """One verdict or event. ``verdict`` is the lower-case name of the verdict's class, or an event such as ``delivered``.

    ``recipient`` is "" when it concerns the whole message. ``detail`` is in plain words. ``at`` in seconds since 1970.
    """

    at: float
    stage: str
    rule: str
    verdict: str
    recipient: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """``outcome`` is one word: accepted, refused, deferred, aborted, delivered, failed, delayed, held, discarded.

    ``client`` is the true client address, "" for what the node itself did. ``message_id`` with its angle brackets.
    """

    trace_id: str
    at: float
    service: str
    client: str
    helo: str
    account: str
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    subject: str
    size_bytes: int
    outcome: str
    reply: str
    steps: tuple[TraceStep, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a part of the path took: ``rcpt_to``, or a stage such as ``filters``. Seconds since 1970."""

    name: str
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """All given conditions must hold; texts match without regard to case, ``*`` is any run of characters, ``?`` is one.

    ``account`` is who had logged in, whole. ``sender`` "<>" finds the null sender. ``since`` is included, ``until`` is not.
    """

    trace_id: str = ""
    sender: str = ""
    recipient: str = ""
    message_id: str = ""
    account: str = ""
    since: float | None = None
    until: float | None = None
    limit: int = 100
