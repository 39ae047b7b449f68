"""What an operation is given: who asks, by which face, and the services it works with.

Built once per node (``roles``), and narrowed to one caller by ``asked_by`` for each run. Knows interfaces only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from posthouse.base.errors import Permanent
from posthouse.model.api_token import role_limits

if TYPE_CHECKING:  # the command line loads operations for their syntax: it must be quick
    from posthouse.admin.junkdesk import JunkDesk
    from posthouse.admin.ldapdesk import LdapDesk
    from posthouse.admin.listdesk import ListDesk
    from posthouse.admin.nodecontrol import NodeControl
    from posthouse.admin.scorerdesk import ScorerDesk
    from posthouse.admin.suppressiondesk import SuppressionDesk
    from posthouse.admin.virusdesk import VirusDesk
    from posthouse.base.clock import Clock
    from posthouse.base.ids import Ids
    from posthouse.checking.desk import CheckDesk
    from posthouse.directory.key_ring import KeyRing
    from posthouse.interfaces.bus import Bus
    from posthouse.interfaces.configuration import Configuration
    from posthouse.interfaces.directory import Directory, DirectoryWriter
    from posthouse.interfaces.hasher import Hasher
    from posthouse.interfaces.limits import Allowances, LimitBook, LimitBookWriter
    from posthouse.interfaces.mail_reports import ReportBook, SendReports
    from posthouse.interfaces.mailstore import MailStore
    from posthouse.interfaces.quarantine import Quarantine
    from posthouse.interfaces.rehearsals import Rehearsals
    from posthouse.interfaces.routes import Routes, RoutesWriter
    from posthouse.interfaces.scripts import Scripts, ScriptsWriter
    from posthouse.interfaces.signing_keys import SigningKeys, SigningKeysWriter
    from posthouse.interfaces.sink import Sink
    from posthouse.interfaces.spool import Spool
    from posthouse.interfaces.store_care import StoreCare
    from posthouse.interfaces.textindex import TextIndex
    from posthouse.interfaces.traces import TraceLog
    from posthouse.interfaces.triplets import Triplets
    from posthouse.interfaces.unknown_recipients import UnknownRecipients
    from posthouse.migration.jobs import MigrationJobs
    from posthouse.model.account import Account, Role
    from posthouse.model.address import Address
    from posthouse.pipeline.holding import HoldDesk
    from posthouse.pipeline.release import Releases

Checker = Callable[[], Awaitable[Sequence[str]]]
"""Looks through the whole mail store; gives one line for each thing that is wrong, nothing when it is sound."""


class NotAllowed(Permanent):
    """The caller's role does not cover this."""

    def __init__(self, public: str) -> None:
        super().__init__(public, code=550, enhanced="5.7.1", imap_code="NOPERM")


@dataclass(frozen=True, slots=True)
class Context:
    """``who`` is an account's address, or the system user of the shell; ``via`` is shell, protocol, api, or a test's word.

    ``domain`` is the current domain of a protocol session: bare names belong to it, lists show only it; "" means none.
    ``clear_index`` throws the full-text index away, so that it is made anew; both are None where there is no index.
    ``care`` is None where the store looks after itself. ``scopes``: what the caller's token is limited to, None: it is no
    token.
    """

    clock: Clock
    ids: Ids
    directory: Directory
    directory_writer: DirectoryWriter
    routes: Routes
    routes_writer: RoutesWriter
    signing_keys: SigningKeys
    signing_keys_writer: SigningKeysWriter
    scripts: Scripts
    scripts_writer: ScriptsWriter
    configuration: Configuration
    store: MailStore
    spool: Spool
    quarantine: Quarantine
    sink: Sink
    traces: TraceLog
    hasher: Hasher
    bus: Bus
    node: NodeControl
    checker: Checker
    limits: LimitBook
    limits_writer: LimitBookWriter
    allowances: Allowances
    junk: JunkDesk
    lists: ListDesk
    who: str = "root"
    role: Role = "administrator"
    via: str = "shell"
    domain: str = ""
    text_index: TextIndex | None = None
    clear_index: Callable[[], None] | None = None
    care: StoreCare | None = None
    triplets: Triplets | None = None
    unknown_recipients: UnknownRecipients | None = None
    migrations: MigrationJobs | None = None
    scorer: ScorerDesk | None = None
    checks: CheckDesk | None = None
    reports: ReportBook | None = None
    viruses: VirusDesk | None = None
    releases: Releases | None = None
    rehearsals: Rehearsals | None = None
    suppressions: SuppressionDesk | None = None
    holds: HoldDesk | None = None
    send_reports: SendReports | None = None
    ldap: LdapDesk | None = None
    key_ring: KeyRing | None = None
    scopes: tuple[str, ...] | None = None

    def asked_by(self, who: str, role: Role, via: str, domain: str = "", scopes: tuple[str, ...] | None = None) -> Context:
        """The same services for one caller. What a token says of roles holds for an administrator as if it were the account's;
        all others keep their own, with its limits to a domain, and may run what both roles may."""
        limits = role_limits(scopes or ())
        if limits and role == "administrator":
            role = limits[0]
        return replace(self, who=who, role=role, via=via, domain=domain, scopes=scopes)

    @property
    def own_domain(self) -> str:
        """The one domain that the caller sees; "" when all of them."""
        return self.who.rpartition("@")[2].lower() if self.role == "domain-administrator" else ""

    @property
    def listed_domain(self) -> str:
        """The domain that lists are limited to, "" for none: the caller's own, else the current one."""
        return self.own_domain or self.domain

    def is_own(self, address: Address) -> bool:
        """Whether the account is the caller's."""
        return address.key == self.who.lower()

    def require_domain(self, domain: str) -> None:
        """Raises NotAllowed if the caller has no rights in ``domain``."""
        if self.role == "domain-administrator" and domain != self.own_domain:
            raise NotAllowed(f"{self.who} does not administer {domain}")

    def require_account(self, account: Account) -> None:
        """Raises NotAllowed if the caller may not change this account; no one may take over a stronger one."""
        self.require_domain(account.address.domain)
        grantable = GRANTS.get(self.role, ())
        if self.role != "administrator" and account.role not in grantable:
            raise NotAllowed(f"{account.address} has the role {account.role}, which {self.role} may not change")

    def require_grant(self, role: Role) -> None:
        """Raises NotAllowed if the caller may not give this role to anyone."""
        if self.role != "administrator" and role not in GRANTS.get(self.role, ()):
            raise NotAllowed(f"{self.role} may not grant the role {role}")


GRANTS: dict[Role, tuple[Role, ...]] = {
    "domain-administrator": ("user", "domain-administrator"),
    "help-desk": ("user",),
}
"""Which roles the accounts may have that a caller (other than an administrator) changes or makes."""
