"""The two ways of a rehearsal: the node's own path over read-only backends, as it is and as it would be (PLN-3)."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from typing import cast

from posthouse.backends.memory.bus import MemoryBus
from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.sqlite.configuration import SqliteConfigurationReader
from posthouse.backends.sqlite.suppressions import SqliteSuppressions
from posthouse.base.clock import ManualClock
from posthouse.base.errors import BadValue, NotFound
from posthouse.base.ids import Ids
from posthouse.content.sieve import Scope, compile_script
from posthouse.directory.device_logins import DeviceLogins
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.scripts import ScriptsWriter
from posthouse.model.address import Address
from posthouse.model.mail_reports import ReceivedReport
from posthouse.model.rehearsal import ProposedPolicy, RecordedSession, RehearsalPlan
from posthouse.model.script import SYSTEM, ScriptOwner
from posthouse.model.senders import SYSTEM_LIST, ListOwner, SenderEntry, normal_pattern
from posthouse.model.settings import Settings, spec_of
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.path import Parts, stages
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.rehearsal.answers import RehearsalResolver
from posthouse.pipeline.rehearsal.overlays import ProposedScripts, ProposedSenders
from posthouse.pipeline.rehearsal.untouched import (
    RehearsalGate,
    RehearsalMemory,
    RehearsalSink,
    RehearsalStore,
    RehearsalTraces,
    RehearsalTripletWriter,
    not_handed_over,
)
from posthouse.pipeline.rehearsal.walk import Way
from posthouse.pipeline.take_reports import ReportDesk
from posthouse.roles.bootstrap.holding import watch_nothing
from posthouse.roles.bootstrap.path_parts import Ways, path_parts
from posthouse.roles.bootstrap.rehearsal_traffic import TrafficReader, without_what_cannot_be
from posthouse.roles.bootstrap.resolving import open_resolver
from posthouse.roles.bootstrap.scanning import virus_scanning
from posthouse.roles.bootstrap.triplets import embedded_triplets
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live

INSIDE = ("embedded", "bulk")
"""Spam engines that need no other program."""
AS_IT_IS = ProposedPolicy()


async def rehearsal_ways(config: NodeConfig, plan: RehearsalPlan, stack: AsyncExitStack) -> tuple[RehearsalResolver, Way, Way]:
    """DNS for both, the way as it is, and the way as it would be. Raises MailError for a proposal that cannot be."""
    resolver = RehearsalResolver(open_resolver(config, MemoryBus()) if plan.dns == "live" else None)
    now = await _way(config, plan, AS_IT_IS, resolver, stack)
    return resolver, now, await _way(config, plan, plan.proposed, resolver, stack)


async def rehearsal_traffic(
    config: NodeConfig, plan: RehearsalPlan, stack: AsyncExitStack
) -> tuple[list[RecordedSession], list[str]]:
    """The recorded sessions, and what had to be left out."""
    with closing(SqliteConfigurationReader(Files.under(config.data).directory)) as configuration:
        hostname = (await configuration.load()).smtp.hostname
    reader = TrafficReader(config, plan.at, (hostname,), stack)
    sessions = await reader.read(plan.traffic)
    return without_what_cannot_be(sessions, reader.skipped), reader.skipped


async def _way(config: NodeConfig, plan: RehearsalPlan, policy: ProposedPolicy, resolver: RehearsalResolver,
              stack: AsyncExitStack) -> Way:  # fmt: skip
    """A path by ``policy``; ``plan`` says what else holds for both. Raises MailError for a policy that cannot be."""
    files, clock, sink = Files.under(config.data), ManualClock(plan.at), RehearsalSink()
    settings = await _settings(files, plan, policy)

    async def load() -> Settings:
        return settings

    live = Live(config.data, load)
    await live.load()
    suppressions = stack.enter_context(closing(SqliteSuppressions(files.outgoing)))
    traces, memory = RehearsalTraces(), cast(ScriptsWriter, RehearsalMemory())
    counters = MemoryCounters(clock)
    ways = Ways(
        gate=RehearsalGate(),
        traces=traces,
        scripts_writer=memory,
        counters=counters,
        resolver=resolver,
        triplets=embedded_triplets(files, RehearsalTripletWriter()),
        unknown=RehearsalTripletWriter(),
        reports=ReportDesk(lambda _: None, lambda _: None, _not_taken, suppressions),
        viruses=virus_scanning(live, clock, MemoryBus(), stack),
        device_logins=DeviceLogins(live.settings, clock, MemoryBus()),
        watch=watch_nothing(live, counters, clock),
    )
    made = await path_parts(config, live, ways, stack)
    ids = Ids(clock, random.Random(1).randbytes)  # noqa: S311 - the same in every run
    receipts = Receipts(made.notices, sink, traces)
    store = RehearsalStore(made.store).as_store()
    parts = replace(made, sink=sink, receipts=receipts, clock=clock, ids=ids, store=store, hand_over=not_handed_over)
    parts = await _with_policy(parts, policy)
    driver = Driver(
        stages(parts),
        settings=live.settings,
        clock=clock,
        ids=ids,
        traces=traces,
        node_name=config.name,
        sleep=_no_wait,
    )
    return Way(driver, settings, clock, sink)


async def _settings(files: Files, plan: RehearsalPlan, policy: ProposedPolicy) -> Settings:
    """The node's own with what is proposed. What would hide the rest is off unless the proposal is about it: greylisting, which
    would hold up all that is new; limits on connections, which a replay does not keep to; engines outside."""
    with closing(SqliteConfigurationReader(files.directory)) as reader:
        settings = await reader.load()
    groups = {key.partition(".")[0] for key, _ in plan.proposed.settings}
    keys = {key for key, _ in plan.proposed.settings}
    if "greylist" not in groups:
        settings = settings.with_value("greylist.mode", "off")
    if "smtp.dos_prevention" not in keys:
        settings = settings.with_value("smtp.dos_prevention", False)
    if not plan.engines:
        inside = tuple(word for word in settings.antispam.engines if word in INSIDE)
        settings = settings.with_value("antispam.engines", inside).with_value("antivirus.engines", ())
    for key, text in policy.settings:
        settings = settings.with_value(key, spec_of(key).parse(text))
    return settings


async def _with_policy(parts: Parts, policy: ProposedPolicy) -> Parts:
    if policy.scripts:
        texts = {}
        for script in policy.scripts:
            owner = await _owner(parts.directory, script.owner)
            if script.text:
                compile_script(script.text, _scope(owner))
            texts[owner] = script.text
        parts = replace(parts, scripts=ProposedScripts(parts.scripts, texts))
    if policy.lists:
        entries = [SenderEntry(_list_owner(each.owner), each.kind, normal_pattern(each.pattern)) for each in policy.lists]
        parts = replace(parts, senders=ProposedSenders(parts.senders, entries))
    return parts


async def _owner(directory: Directory, name: str) -> ScriptOwner:
    """Raises NotFound, BadValue."""
    if not name:
        return SYSTEM
    if "@" not in name:
        domain = await directory.domain(name.lower())
        if domain is None:
            raise NotFound(f"no domain {name}")
        return ScriptOwner("domain", domain.domain_id)
    try:
        account = await directory.account(Address.parse(name))
    except ValueError as error:
        raise BadValue(f"{name!r}: {error}") from None
    if account is None:
        raise NotFound(f"no user {name}")
    return ScriptOwner("user", account.account_id)


def _scope(owner: ScriptOwner) -> Scope:
    return owner.scope


def _list_owner(name: str) -> ListOwner:
    if not name:
        return SYSTEM_LIST
    return ListOwner("user" if "@" in name else "domain", name.lower())


async def _not_taken(_: ReceivedReport) -> bool:
    return False


async def _no_wait(_: float) -> None:
    """A tarpit delays nobody here."""
