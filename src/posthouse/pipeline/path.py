"""The path of a message, and the file to read first.

    connect -> envelope -> quota -> greylist -> authenticate -> content -> route -> sign -> dispose

Every stage answers with Verdicts (model/verdict.py); the driver (driver.py) asks them in this order, records what they say
under the message's trace id, and turns the first final verdict into the SMTP reply while the sender still waits (INB-9).
Rehearsal runs the same list with a recording sink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.directory.resolve import RecipientResolver
from posthouse.interfaces.counters import Counters
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.routes import Routes
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.usage import UsageBook
from posthouse.model.settings import Settings
from posthouse.pipeline.authenticate import Authenticate
from posthouse.pipeline.dispose import Dispose
from posthouse.pipeline.envelope import Envelope
from posthouse.pipeline.greylist import Greylist
from posthouse.pipeline.inspect import Inspect
from posthouse.pipeline.network import Network
from posthouse.pipeline.quota import Quota
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.route import Route
from posthouse.pipeline.sign import Sign
from posthouse.pipeline.stage import Stage


@dataclass(frozen=True, slots=True)
class Parts:
    """What the stages need of the world."""

    settings: Callable[[], Settings]
    counters: Counters
    recipients: RecipientResolver
    routes: Routes
    resolver: Resolver
    sink: Sink
    receipts: Receipts
    clock: Clock
    node_name: str
    signing_keys: SigningKeys
    usage: UsageBook
    allowances: Allowances = unlimited


def stages(parts: Parts) -> tuple[Stage, ...]:
    """All stages, in the order in which they are asked."""
    return (
        Network(parts.settings, parts.counters),
        Envelope(parts.settings, parts.recipients, parts.routes, parts.resolver),
        Quota(parts.allowances, parts.usage, parts.clock),
        Greylist(),
        Authenticate(parts.settings, parts.resolver, parts.clock, parts.node_name),
        Inspect(parts.settings),
        Route(parts.settings),
        Sign(parts.settings, parts.signing_keys, parts.clock),
        Dispose(parts.sink, parts.receipts),
    )
