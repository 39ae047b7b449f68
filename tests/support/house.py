"""A whole mail path in memory: the real stages and driver over the in-memory backends, with a clock driven by hand.

Senders' domains are not checked (INB-4) unless a test sets ``smtp.sender_check``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from posthouse.backends.dns_lists import DnsBlockLists
from posthouse.backends.memory.account_holds import MemoryAccountHolds
from posthouse.backends.memory.blocklists import MemoryBlockListZones
from posthouse.backends.memory.bus import MemoryBus
from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.memory.junk import MemoryJunk
from posthouse.backends.memory.limits import MemoryLimits
from posthouse.backends.memory.mail_reports import MemoryReportBook
from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.memory.outside_directory import MemoryOutsideDirectory
from posthouse.backends.memory.recipient_probe import MemoryProbe
from posthouse.backends.memory.reject_list import MemoryRejectList
from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.backends.memory.routes import MemoryRoutes
from posthouse.backends.memory.scanner import MemoryScanner
from posthouse.backends.memory.scripts import MemoryScripts
from posthouse.backends.memory.senders import MemorySenders
from posthouse.backends.memory.signing_keys import MemorySigningKeys
from posthouse.backends.memory.sink import MemorySink
from posthouse.backends.memory.spool import MemorySpool
from posthouse.backends.memory.suppressions import MemorySuppressions
from posthouse.backends.memory.traces import MemoryTraceLog
from posthouse.backends.memory.triplets import MemoryTriplets
from posthouse.backends.memory.unknown_recipients import MemoryUnknownRecipients
from posthouse.base.clock import ManualClock
from posthouse.base.ids import Ids
from posthouse.base.settings import Value
from posthouse.content.antivirus.asking import VirusEngines
from posthouse.directory.allowances import AllowanceBook
from posthouse.directory.behaviour import Behaviour
from posthouse.directory.device_logins import DeviceLogins
from posthouse.directory.outside import Outside
from posthouse.directory.resolve import RecipientResolver
from posthouse.interfaces.courier import Answer, Parcel
from posthouse.interfaces.scorer import Scorer
from posthouse.interfaces.spans import Spans
from posthouse.interfaces.triplets import Triplets
from posthouse.model.account import Account, Role
from posthouse.model.account_hold import AccountHold
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_reports import DmarcSeen, FailureSeen
from posthouse.model.plan import ToQueue
from posthouse.model.session import Service, Session
from posthouse.model.settings import Settings
from posthouse.model.verdict import Reply
from posthouse.model.virus_engine import VirusEngine
from posthouse.model.virus_found import VirusFound
from posthouse.pipeline.account_watch import WatchTools
from posthouse.pipeline.antivirus import VirusScanning
from posthouse.pipeline.driver import Driver, Final
from posthouse.pipeline.holding import HoldDesk, HoldTools
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.own_signature import OwnSignature
from posthouse.pipeline.path import Parts, stages
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.release import Releases, ReleaseTools
from posthouse.pipeline.take_reports import ReportDesk
from posthouse.queue.notices import Notices

STRANGER = {
    ("elsewhere.test", "MX"): ["10 client.elsewhere.test"],
    ("client.elsewhere.test", "A"): ["192.0.2.9"],
    ("192.0.2.9", "PTR"): ["client.elsewhere.test"],
}
"""What DNS says of the usual stranger."""
MESSAGE = b"From: lena@elsewhere.test\r\nTo: jane@example.test\r\nSubject: Hello\r\n\r\nHi.\r\n"


def indulgent() -> Settings:
    """What most tests want: any sender will do, from outside and from accounts."""
    return Settings().with_value("smtp.sender_check", False).with_value("submission.sender", "any")


@dataclass
class House:
    """`add_user` and `say` first; then `deliver` walks one message along the path and gives the reply."""

    clock: ManualClock = field(default_factory=ManualClock)
    settings: Settings = field(default_factory=indulgent)
    delays: list[float] = field(default_factory=list)
    spans: Spans | None = None
    triplets: Triplets = field(default_factory=MemoryTriplets)

    def __post_init__(self) -> None:
        self.ids = Ids(self.clock)
        self.directory = MemoryDirectory()
        self.limits = MemoryLimits(self.directory)
        self.allowances = AllowanceBook(self.limits, lambda: self.settings).of
        self.store = MemoryMailStore(clock=self.clock, allowances=self.allowances)
        self.spool = MemorySpool(clock=self.clock)
        self.sink = MemorySink(self.store, self.spool, allowances=self.allowances, clock=self.clock)
        self.quarantine = self.sink.quarantine
        self.traces = MemoryTraceLog()
        self.counters = MemoryCounters(self.clock)
        self.resolver = MemoryResolver()
        self.resolver.records = {key: tuple(values) for key, values in STRANGER.items()}
        self.routes = MemoryRoutes()
        self.probe = MemoryProbe()
        self.bus = MemoryBus()
        self.device_logins = DeviceLogins(lambda: self.settings, self.clock, self.bus)
        self.unknown = MemoryUnknownRecipients()
        self.holds = MemoryAccountHolds()
        self.behaviour = Behaviour(lambda: self.settings, self.counters, self.clock)
        self.countries: dict[str, str] = {}
        self.alerts: list[AccountHold] = []
        self.hold_desk = HoldDesk(self.hold_tools())
        self.behind: dict[str, str] = {}
        self.handed: list[Parcel] = []
        self.reject_list = MemoryRejectList()
        self.zones = MemoryBlockListZones()
        self.scripts = MemoryScripts()
        self.scanners: dict[str, MemoryScanner] = {}
        self.viruses: list[VirusFound] = []
        self.signing_keys = MemorySigningKeys(self.directory)
        self.outside = MemoryOutsideDirectory()
        outside = Outside(self.outside, lambda: self.settings, lambda: ("mx.example.test",))
        self.recipients = RecipientResolver(self.directory, lambda: self.settings, outside=outside)
        self.onward = Onward(self.recipients, self.routes, lambda: self.settings.route.message_router)
        self.notices = Notices(
            clock=self.clock,
            ids=self.ids,
            node_name="mx.example.test",
            onward=self.onward.own_mail,
            double_bounce=lambda: self.settings.queue.double_bounce,
            believes=lambda: self.settings.queue.notify_doubtful,
            sign=OwnSignature(lambda: self.settings, self.signing_keys, self.clock).of_node,
        )
        self.receipts = Receipts(self.notices, self.sink, self.traces)
        self.senders = MemorySenders()
        self.junk_book = MemoryJunk(self.directory, self.limits)
        self.reports = MemoryReportBook()
        self.suppressions = MemorySuppressions()
        self.seen: list[DmarcSeen] = []
        self.failed: list[FailureSeen] = []
        self.engines: list[Scorer] = []
        self.parts = Parts(
            settings=lambda: self.settings,
            counters=self.counters,
            recipients=self.recipients,
            routes=self.routes,
            resolver=self.resolver,
            probe=self.probe,
            hand_over=self._hand_over,
            unknown=self.unknown,
            device_logins=self.device_logins,
            watch=WatchTools(
                self.behaviour,
                self.holds,
                self.holds.came_from,
                self.hold_desk.breached,
                lambda address: self.countries.get(address, ""),
            ),
            reject_list=self.reject_list,
            block_lists=DnsBlockLists(self.resolver, self.zones, lambda: self.settings, self.clock),
            sink=self.sink,
            quarantine=self.quarantine,
            receipts=self.receipts,
            store=self.store,
            directory=self.directory,
            scripts=self.scripts,
            scripts_writer=self.scripts,
            notices=self.notices,
            onward=self.onward.own_mail,
            ids=self.ids,
            engines=lambda: self.engines,
            senders=self.senders,
            junk_book=self.junk_book,
            triplets=self.triplets,
            reports=ReportDesk(self.seen.append, self.failed.append, self.reports.receive, self.suppressions),
            allowances=self.allowances,
            postponed=self.spool.postponed,
            clock=self.clock,
            node_name="mx.example.test",
            signing_keys=self.signing_keys,
            viruses=VirusScanning(VirusEngines(self.scanner, self.clock), self.viruses.append),
        )
        self.driver = Driver(
            stages(self.parts),
            settings=lambda: self.settings,
            clock=self.clock,
            ids=self.ids,
            traces=self.traces,
            node_name="mx.example.test",
            sleep=self._sleep,
            spans=self.spans,
        )

        self.releases = Releases(self.release_tools())

    def hold_tools(self) -> HoldTools:
        """What the steward holds accounts with."""

        async def tell(hold: AccountHold) -> None:
            self.alerts.append(hold)

        return HoldTools(
            holds=self.holds,
            writer=self.holds,
            spool=self.spool,
            directory=self.directory,
            behaviour=self.behaviour,
            bus=self.bus,
            settings=lambda: self.settings,
            clock=self.clock,
            tell=tell,
        )

    def release_tools(self) -> ReleaseTools:
        """With the driver as it is now."""
        return ReleaseTools(
            driver=self.driver,
            quarantine=self.quarantine,
            notices=self.notices,
            onward=self.onward.own_mail,
            traces=self.traces,
            sink=self.sink,
            clock=self.clock,
            ids=self.ids,
            node_name="mx.example.test",
        )

    def scanner(self, engine: VirusEngine) -> MemoryScanner:
        """The scanner of an engine that the settings name."""
        if engine.name not in self.scanners:
            self.scanners[engine.name] = MemoryScanner({}, engine.name)
        return self.scanners[engine.name]

    async def _hand_over(self, next_hop: str, parcel: Parcel) -> tuple[Sequence[Answer], str]:
        """What ``behind`` says of each recipient, 250 otherwise; where it has a word for the host, it is not reached."""
        if next_hop in self.behind:
            return [Answer(450, self.behind[next_hop])] * len(parcel.recipients), ""
        self.handed.append(parcel)
        said = [self.behind.get(str(recipient), "250 2.0.0 taken") for recipient in parcel.recipients]
        return [Answer(int(text[:3]), text) for text in said], next_hop

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)

    def set(self, key: str, value: Value) -> None:
        self.settings = self.settings.with_value(key, value)

    async def add_user(self, text: str, role: Role = "user") -> Account:
        address = Address.parse(text)
        if await self.directory.domain(address.domain) is None:
            await self.directory.add_domain(address.domain)
        return await self.directory.add_account(address, full_name="", role=role, secret="", scram="")

    def session(self, service: Service = "smtp", client: str = "192.0.2.9", account: str = "") -> Session:
        session = Session(service, client, 40000, "192.0.2.1", 25, self.clock.now())
        return replace(session, helo="client.elsewhere.test", esmtp=True, account=account)

    async def deliver(
        self,
        *recipients: str,
        sender: str | Sender = "lena@elsewhere.test",
        content: bytes = MESSAGE,
        session: Session | None = None,
    ) -> Reply:
        """The first refusal of the envelope, or the reply to the message."""
        session = session or self.session()
        refused: Final | None
        if isinstance(sender, str):
            sender = Sender(Address.parse(sender) if sender else None)
        transaction, refused = await self.driver.begin(session, sender)
        for text in recipients:
            if refused is None:
                address = Address.parse(text) if "@" in text else Address(text, "")
                refused = await self.driver.recipient(transaction, Recipient(address))
        if refused is not None:
            self.driver.abandon(transaction, "refused")
            return refused.reply
        return await self.driver.message(transaction, content)

    def spool_is_empty(self) -> bool:
        """Whether nothing waits to leave."""
        return not any(isinstance(each, ToQueue) for accepted in self.sink.accepted for each in accepted.destinations)

    async def inbox(self, account: Account, name: str = "INBOX") -> list[bytes]:
        """The contents of a mailbox, oldest first."""
        box = await self.store.mailbox(account.account_id, name)
        assert box is not None
        _, rows = await self.store.rows(box.mailbox_id)
        facts = await self.store.facts(box.mailbox_id, [row.uid for row in rows])
        return [await self.store.content(fact.body_id) for fact in facts]
