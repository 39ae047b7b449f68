"""All settings, one file a group (ADM-5). The mechanism is in ``base/settings.py``; the reference in docs is made from here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from posthouse.base.errors import NotFound
from posthouse.base.settings import Spec, Value, changed, specs
from posthouse.model.settings.antispam import AntispamSettings
from posthouse.model.settings.antivirus import AntivirusSettings
from posthouse.model.settings.archives import ArchivesSettings
from posthouse.model.settings.auth import AuthSettings
from posthouse.model.settings.greylist import GreylistSettings
from posthouse.model.settings.imap import ImapSettings
from posthouse.model.settings.junk import JunkSettings
from posthouse.model.settings.ldap import LdapSettings
from posthouse.model.settings.lookup import LookupSettings
from posthouse.model.settings.mailauth import MailauthSettings
from posthouse.model.settings.monitoring import MonitoringSettings
from posthouse.model.settings.outbreak import OutbreakSettings
from posthouse.model.settings.pop import PopSettings
from posthouse.model.settings.quarantine import QuarantineSettings
from posthouse.model.settings.queue import QueueSettings
from posthouse.model.settings.reports import ReportsSettings
from posthouse.model.settings.route import RouteSettings
from posthouse.model.settings.scorer import ScorerSettings
from posthouse.model.settings.search import SearchSettings
from posthouse.model.settings.sieve import SieveSettings
from posthouse.model.settings.smtp import SmtpSettings
from posthouse.model.settings.store import StoreSettings
from posthouse.model.settings.submission import SubmissionSettings
from posthouse.model.settings.tls import TlsSettings
from posthouse.model.settings.tokens import TokenSettings
from posthouse.model.settings.watch import WatchSettings
from posthouse.model.settings.web import WebSettings
from posthouse.model.settings.zone import ZoneSettings

__all__ = [
    "AntispamSettings",
    "AntivirusSettings",
    "ArchivesSettings",
    "AuthSettings",
    "GreylistSettings",
    "ImapSettings",
    "JunkSettings",
    "LdapSettings",
    "LookupSettings",
    "MailauthSettings",
    "MonitoringSettings",
    "OutbreakSettings",
    "PopSettings",
    "QuarantineSettings",
    "QueueSettings",
    "ReportsSettings",
    "RouteSettings",
    "ScorerSettings",
    "SearchSettings",
    "Settings",
    "SieveSettings",
    "SmtpSettings",
    "StoreSettings",
    "SubmissionSettings",
    "TlsSettings",
    "TokenSettings",
    "WatchSettings",
    "WebSettings",
    "ZoneSettings",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """One consistent snapshot of all settings. ``version`` grows by one with each change."""

    version: int = 0
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    zone: ZoneSettings = field(default_factory=ZoneSettings)
    lookup: LookupSettings = field(default_factory=LookupSettings)
    ldap: LdapSettings = field(default_factory=LdapSettings)
    route: RouteSettings = field(default_factory=RouteSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    quarantine: QuarantineSettings = field(default_factory=QuarantineSettings)
    imap: ImapSettings = field(default_factory=ImapSettings)
    pop: PopSettings = field(default_factory=PopSettings)
    sieve: SieveSettings = field(default_factory=SieveSettings)
    greylist: GreylistSettings = field(default_factory=GreylistSettings)
    mailauth: MailauthSettings = field(default_factory=MailauthSettings)
    antispam: AntispamSettings = field(default_factory=AntispamSettings)
    scorer: ScorerSettings = field(default_factory=ScorerSettings)
    junk: JunkSettings = field(default_factory=JunkSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    reports: ReportsSettings = field(default_factory=ReportsSettings)
    submission: SubmissionSettings = field(default_factory=SubmissionSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    tokens: TokenSettings = field(default_factory=TokenSettings)
    monitoring: MonitoringSettings = field(default_factory=MonitoringSettings)
    antivirus: AntivirusSettings = field(default_factory=AntivirusSettings)
    archives: ArchivesSettings = field(default_factory=ArchivesSettings)
    outbreak: OutbreakSettings = field(default_factory=OutbreakSettings)
    web: WebSettings = field(default_factory=WebSettings)

    def get(self, key: str) -> Value:
        """Raises NotFound for an unknown key."""
        spec_of(key)
        group, _, name = key.partition(".")
        value: Value = getattr(getattr(self, group), name)
        return value

    def with_value(self, key: str, value: Value) -> Settings:
        """A checked copy with one value changed, same version. Raises NotFound, BadValue."""
        spec_of(key).check(value)
        group, _, name = key.partition(".")
        return replace(self, **{group: changed(getattr(self, group), name, value)})


GROUPS: dict[str, type] = {
    "smtp": SmtpSettings,
    "auth": AuthSettings,
    "zone": ZoneSettings,
    "lookup": LookupSettings,
    "ldap": LdapSettings,
    "route": RouteSettings,
    "queue": QueueSettings,
    "quarantine": QuarantineSettings,
    "imap": ImapSettings,
    "pop": PopSettings,
    "sieve": SieveSettings,
    "greylist": GreylistSettings,
    "mailauth": MailauthSettings,
    "antispam": AntispamSettings,
    "scorer": ScorerSettings,
    "junk": JunkSettings,
    "store": StoreSettings,
    "search": SearchSettings,
    "reports": ReportsSettings,
    "submission": SubmissionSettings,
    "watch": WatchSettings,
    "tls": TlsSettings,
    "tokens": TokenSettings,
    "monitoring": MonitoringSettings,
    "antivirus": AntivirusSettings,
    "archives": ArchivesSettings,
    "outbreak": OutbreakSettings,
    "web": WebSettings,
}
CATALOGUE: dict[str, Spec] = {spec.key: spec for name, group in GROUPS.items() for spec in specs(name, group)}


def spec_of(key: str) -> Spec:
    """Raises NotFound for an unknown key."""
    try:
        return CATALOGUE[key.lower()]
    except KeyError:
        raise NotFound(f"no setting {key!r}; 'setting list' shows them all") from None
