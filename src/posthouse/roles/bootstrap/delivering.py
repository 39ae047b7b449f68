"""What takes mail to other hosts: where to, by which policy of TLS, and the courier."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from posthouse.backends.https import HttpsFetch
from posthouse.backends.smtp_out import SmtpCourier
from posthouse.backends.sqlite.outgoing_schema import open_outgoing_file
from posthouse.backends.sqlite.sts_policies import SqliteStsPolicies
from posthouse.base.clock import Clock
from posthouse.interfaces.resolver import Resolver
from posthouse.model.settings import QueueSettings
from posthouse.queue.sts import Sts
from posthouse.queue.targets import Targets
from posthouse.queue.tls_policies import TlsPolicies
from posthouse.roles.data_files import Files


def ways_out(
    files: Files,
    resolver: Resolver,
    queue: Callable[[], QueueSettings],
    own_names: Callable[[], Sequence[str]],
    clock: Clock,
    stack: AsyncExitStack,
) -> tuple[Targets, SmtpCourier]:
    """Who finds hosts, and who goes there."""
    outgoing = open_outgoing_file(files.outgoing)
    stack.callback(outgoing.close)
    web = HttpsFetch(resolver, lambda: queue().allow_loopback, lambda: queue().ca_file)
    sts = Sts(resolver, web, SqliteStsPolicies(outgoing), clock)
    policies = TlsPolicies(resolver, sts, queue)
    targets = Targets(resolver, queue, own_names, random.shuffle, policies)
    return targets, SmtpCourier(lambda: own_names()[0], queue)
