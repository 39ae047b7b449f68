"""The path of a message, and the file to read first.

    connect -> room -> account-watch -> envelope -> quota -> greylist -> authenticate -> content -> route
    -> attachments -> priority filters -> outbreak -> antivirus -> antispam -> domain filters -> junk -> user filters
    -> reputation -> sign -> hand-over -> dispose

Every stage answers with Verdicts (model/verdict.py); the driver (driver.py) asks them in this order, records what they say
under the message's trace id, and turns the first final verdict into the SMTP reply while the sender still waits (INB-9).
Rehearsal runs the same list with a recording sink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.base.ids import Ids
from posthouse.content.sieve.lookups import Sources
from posthouse.directory.device_logins import DeviceLogins
from posthouse.directory.permitted_senders import PermittedSenders
from posthouse.directory.resolve import RecipientResolver
from posthouse.interfaces.blocklists import BlockLists
from posthouse.interfaces.counters import Counters
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.junk import JunkBook
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.interfaces.mailstore import MailStore
from posthouse.interfaces.quarantine import Quarantine
from posthouse.interfaces.recipient_probe import RecipientProbe
from posthouse.interfaces.reject_list import RejectList
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.routes import Routes
from posthouse.interfaces.scripts import Scripts, ScriptsWriter
from posthouse.interfaces.senders import SenderLists
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.spool import Postponed, none_postponed
from posthouse.interfaces.triplets import Triplets
from posthouse.interfaces.unknown_recipients import UnknownRecipients
from posthouse.mailauth.verify import Verifier
from posthouse.model.settings import Settings
from posthouse.pipeline.account_watch import AccountWatch, WatchTools
from posthouse.pipeline.antispam import Antispam, ForgedScores
from posthouse.pipeline.antivirus import Antivirus, VirusScanning
from posthouse.pipeline.attachments import Attachments, LookInto
from posthouse.pipeline.authenticate import Authenticate
from posthouse.pipeline.device import Device
from posthouse.pipeline.dispose import Dispose
from posthouse.pipeline.envelope import Envelope
from posthouse.pipeline.filter_facts import FactBook
from posthouse.pipeline.filter_mail import FilterMail, Onward
from posthouse.pipeline.filters import DomainFilters, FilterTools, PriorityFilters, UserFilters
from posthouse.pipeline.greeting import Greeting
from posthouse.pipeline.greylist import Greylist
from posthouse.pipeline.greylist_praise import GreylistPraise
from posthouse.pipeline.hand_over import Deliver, HandOver
from posthouse.pipeline.harvest import Harvest
from posthouse.pipeline.inspect import Inspect
from posthouse.pipeline.junk import Junk, JunkTools
from posthouse.pipeline.lists import Lists
from posthouse.pipeline.names import HostNames, Names
from posthouse.pipeline.network import Network
from posthouse.pipeline.outbreak import Outbreak
from posthouse.pipeline.own_signature import OwnSignature
from posthouse.pipeline.patience import Patience
from posthouse.pipeline.quota import Quota
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.recipients import RecipientCheck
from posthouse.pipeline.rejects import Rejects
from posthouse.pipeline.room import Room
from posthouse.pipeline.route import Route
from posthouse.pipeline.scoring import Engines, Scoring
from posthouse.pipeline.sender import SenderDomain
from posthouse.pipeline.sender_policy import Amounts, SenderPolicy
from posthouse.pipeline.sign import Sign
from posthouse.pipeline.spf_begin import SpfCheck
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.take_reports import ReportDesk, TakeReports
from posthouse.queue.notices import Notices


@dataclass(frozen=True, slots=True)
class Parts:
    """What the stages need of the world."""

    settings: Callable[[], Settings]
    counters: Counters
    recipients: RecipientResolver
    routes: Routes
    resolver: Resolver
    reject_list: RejectList
    block_lists: BlockLists
    probe: RecipientProbe
    sink: Sink
    quarantine: Quarantine
    receipts: Receipts
    clock: Clock
    node_name: str
    signing_keys: SigningKeys
    store: MailStore
    directory: Directory
    scripts: Scripts
    scripts_writer: ScriptsWriter
    notices: Notices
    onward: Onward
    ids: Ids
    engines: Engines
    senders: SenderLists
    junk_book: JunkBook
    triplets: Triplets
    device_logins: DeviceLogins
    watch: WatchTools
    unknown: UnknownRecipients
    hand_over: Deliver
    reports: ReportDesk
    viruses: VirusScanning
    allowances: Allowances = unlimited
    is_short: Callable[[], bool] = bool
    postponed: Postponed = none_postponed


def stages(parts: Parts) -> tuple[Stage, ...]:
    """All stages, in the order in which they are asked (CON: the order of content control is fixed)."""
    filters = _filter_tools(parts)
    patience = Patience(parts.settings, parts.clock)
    hosts = HostNames(parts.resolver, patience)
    harvest = Harvest(parts.settings, parts.counters)
    check = RecipientCheck(parts.settings, parts.recipients, parts.routes, parts.probe, parts.unknown, parts.clock)
    permitted = PermittedSenders(parts.directory, parts.settings)
    verifier = Verifier(parts.resolver, parts.clock)
    spf = SpfCheck(parts.settings, verifier, parts.clock, parts.node_name)
    watch = AccountWatch(parts.settings, parts.watch, parts.clock)
    attachments = Attachments(parts.settings, parts.clock.steady)
    return (
        Network(parts.settings, parts.counters),
        Rejects(parts.reject_list, hosts),
        Names(parts.settings, hosts),
        Greeting(parts.settings, parts.node_name),
        Lists(parts.block_lists, patience),
        Room(parts.is_short),
        Device(parts.device_logins, parts.directory),
        watch,
        Envelope(parts.settings, parts.recipients, parts.routes, hosts, check, harvest),
        harvest,
        SenderDomain(parts.settings, parts.directory, parts.resolver, patience),
        SenderPolicy(parts.settings, permitted, parts.recipients, Amounts(parts.counters, parts.postponed)),
        Quota(parts.allowances, parts.store, parts.clock),
        Greylist(parts.settings, parts.triplets, spf, parts.clock),
        Authenticate(parts.settings, verifier, spf, parts.node_name, parts.reports.seen, parts.reports.failed),
        Inspect(parts.settings),
        ForgedScores(),
        Route(parts.settings, parts.reports.suppressions),
        LookInto(attachments),
        PriorityFilters(parts.settings, filters),
        Outbreak(parts.settings, attachments, parts.counters, parts.clock),
        Antivirus(parts.settings, parts.viruses, attachments, parts.counters),
        Antispam(parts.settings, Scoring(parts.engines, parts.clock, parts.settings), parts.node_name, watch.judged_spam),
        DomainFilters(parts.settings, filters),
        Junk(parts.settings, JunkTools(parts.senders, parts.junk_book, parts.store, parts.resolver)),
        UserFilters(parts.settings, filters),
        GreylistPraise(parts.settings, parts.triplets, parts.clock),
        TakeReports(parts.settings, parts.directory, parts.reports.receive),
        Sign(parts.settings, parts.signing_keys, permitted, parts.clock, parts.node_name),
        HandOver(parts.settings, parts.hand_over, parts.unknown, parts.clock),
        Dispose(parts.sink, parts.quarantine, parts.receipts, parts.scripts_writer),
    )


def _filter_tools(parts: Parts) -> FilterTools:
    signature = OwnSignature(parts.settings, parts.signing_keys, parts.clock)
    sources = Sources(parts.scripts, parts.store, parts.directory, parts.clock, parts.resolver)
    return FilterTools(
        scripts=parts.scripts,
        store=parts.store,
        facts=FactBook(sources, parts.node_name, parts.settings),
        mail=FilterMail(parts.clock, parts.ids, parts.node_name, parts.onward, signature.of_user),
    )
