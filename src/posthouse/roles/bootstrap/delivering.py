"""What takes mail to other hosts: where to, by which policy of TLS, and the courier."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from posthouse.backends.courier_client import WorkersCourier
from posthouse.backends.courier_server import CourierServer
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
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live


def ways_out(
    config: NodeConfig,
    outgoing: DatabaseThread,
    report: Callable[[TlsResult], None],
    resolver: Resolver,
    queue: Callable[[], QueueSettings],
    own_names: Callable[[], Sequence[str]],
    clock: Clock,
) -> tuple[Targets, WorkersCourier, Sts]:
    """Who finds hosts, who goes there (the workers, and the steward where they do not), and the policies of others.
    ``report`` hears how TLS went with hosts under a policy."""
    sts = Sts(resolver, https(resolver, queue), SqliteStsPolicies(outgoing), clock)
    policies = TlsPolicies(resolver, sts, queue, report)
    targets = Targets(resolver, queue, own_names, random.shuffle, policies)
    files = Files.under(config.data)
    paths = [files.courier(f"worker-{number}") for number in range(1, config.workers + 1)]
    return targets, WorkersCourier(SmtpCourier(lambda: own_names()[0], queue, report), paths, report), sts


async def takes_outgoing(config: NodeConfig, live: Live, files: Files, worker: str) -> CourierServer:
    """A worker's part in taking mail to other hosts. Raises OSError."""

    def report(result: TlsResult) -> None:
        server.tell(result)

    courier = SmtpCourier(lambda: live.settings().smtp.hostname or config.name, lambda: live.settings().queue, report)
    server = CourierServer(files.courier(worker), courier)
    await server.start()
    return server


def https(resolver: Resolver, queue: Callable[[], QueueSettings]) -> HttpsFetch:
    """HTTPS to other sites, with the trust that mail hosts are met with."""
    return HttpsFetch(resolver, lambda: queue().allow_loopback, lambda: queue().ca_file)
