"""What takes mail to other hosts: where to, by which policy of TLS, and the courier."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from posthouse.backends.https import HttpsFetch
from posthouse.backends.smtp_out import SmtpCourier
from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.backends.sqlite.sts_policies import SqliteStsPolicies
from posthouse.base.clock import Clock
from posthouse.interfaces.resolver import Resolver
from posthouse.model.settings import QueueSettings
from posthouse.model.tls_policy import TlsResult
from posthouse.queue.sts import Sts
from posthouse.queue.targets import Targets
from posthouse.queue.tls_policies import TlsPolicies


def ways_out(
    outgoing: DatabaseThread,
    report: Callable[[TlsResult], None],
    resolver: Resolver,
    queue: Callable[[], QueueSettings],
    own_names: Callable[[], Sequence[str]],
    clock: Clock,
) -> tuple[Targets, SmtpCourier]:
    """Who finds hosts, and who goes there. ``report`` hears how TLS went with hosts under a policy."""
    sts = Sts(resolver, https(resolver, queue), SqliteStsPolicies(outgoing), clock)
    policies = TlsPolicies(resolver, sts, queue, report)
    targets = Targets(resolver, queue, own_names, random.shuffle, policies)
    return targets, SmtpCourier(lambda: own_names()[0], queue, report)


def https(resolver: Resolver, queue: Callable[[], QueueSettings]) -> HttpsFetch:
    """HTTPS to other sites, with the trust that mail hosts are met with."""
    return HttpsFetch(resolver, lambda: queue().allow_loopback, lambda: queue().ca_file)
