"""Migration: mail in from files and other IMAP servers, and out to files and other IMAP servers (PLN-4).

For administrators of the node only: paths are read and written with the node's rights, and servers are connected to from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from posthouse.admin import user
from posthouse.admin.arguments import Secret
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base.errors import BadValue, Permanent
from posthouse.model.address import Address
from posthouse.model.migration import Direction, Job, JobSpec, MasterForm, Remote, Security

if TYPE_CHECKING:
    from posthouse.migration.jobs import MigrationJobs

FileFormat = Literal["mbox", "maildir"]
_PORTS: dict[Security, int] = {"tls": 993, "starttls": 143, "off": 143}


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as listed."""

    job: str
    account: str
    direction: str
    place: str
    state: str
    found: int
    copied: int
    failed: int
    reason: str


@dataclass(frozen=True, slots=True)
class JobDetail:
    """One job with all that is known of it. ``problems`` name folder, message and trouble."""

    job: str
    account: str
    direction: str
    format: str
    place: str
    mailbox: str
    state: str
    reason: str
    begun: str
    changed: str
    runs: int
    folders: int
    found: int
    copied: int
    copied_bytes: int
    updated: int
    removed: int
    failed: int
    problems: tuple[str, ...]


def _row(job: Job) -> JobRow:
    spec, counts = job.spec, job.counts
    return JobRow(
        job.job_id, spec.address, spec.direction, spec.place, job.state, counts.found, counts.copied, counts.failed, job.reason
    )


def _jobs(context: Context) -> MigrationJobs:
    if context.migrations is None:
        raise Permanent("there are no migrations on this node")
    return context.migrations


@operation("mailbox import", role="administrator")
async def import_(context: Context, address: Address, path: str, *, format: FileFormat, into: str = "") -> JobRow:
    """Brings mail in from mbox files or a Maildir on this machine, as a job that goes on in the background.

    Args:
        address: the user's address.
        path: absolute path of an mbox file, of a folder with mbox files, or of a Maildir.
        format: how the mail is kept there.
        into: mailbox that everything goes into, folders below it; without it, into the mailboxes of the same names and uses.
    """
    return await _files(context, address, JobSpecParts("in", format, path, into))


@operation("mailbox export", role="administrator")
async def export(context: Context, address: Address, path: str, *, format: FileFormat, mailbox: str = "") -> JobRow:
    """Writes a user's mail into mbox files or a Maildir on this machine, as a job that goes on in the background.

    Args:
        address: the user's address.
        path: absolute path of what is made: a folder; with one mailbox as mbox, a file.
        format: how the mail is to be kept there.
        mailbox: the only mailbox to export.
    """
    return await _files(context, address, JobSpecParts("out", format, path, mailbox))


@dataclass(frozen=True, slots=True)
class JobSpecParts:
    """What importing and exporting share."""

    direction: Direction
    format: FileFormat
    path: str
    mailbox: str


async def _files(context: Context, address: Address, parts: JobSpecParts) -> JobRow:
    account = await user.find(context, address)
    if not parts.path.startswith("/") or "\0" in parts.path:
        raise BadValue("the path must be absolute: the node does not know where you are")
    spec = JobSpec(account.account_id, str(account.address), parts.direction, parts.format, parts.path, None, parts.mailbox)
    return _row(await _jobs(context).begin(spec))


@operation("migration start", role="administrator")
async def start(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    address: Address,
    *,
    host: str,
    password: Secret,
    port: int = 0,
    tls: Security = "tls",
    login: str = "",
    master: str = "",
    master_form: MasterForm = "authzid",
    into: str = "",
    unverified: bool = False,
) -> JobRow:
    """Copies a user's mail from another IMAP server, as a job that goes on in the background.

    Args:
        address: the user's address here.
        host: the other server.
        password: the password there; better given on standard input, where no one sees it.
        port: its port; without it, 993, or 143 for starttls and off.
        tls: TLS from the start, STARTTLS, or none.
        login: the user's login there; without it, the address here.
        master: an administrator's login there, whose password is given instead of the user's.
        master_form: how to log in as a user there: SASL authorisation identity, user*master, or #user#master#.
        into: mailbox that everything goes into, folders below it; without it, into the mailboxes of the same names and uses.
        unverified: take any certificate of the other server.
    """
    account = await user.find(context, address)
    remote = _remote(Remote(host, port, login or str(account.address), tls, not unverified, master, master_form))
    spec = JobSpec(account.account_id, str(account.address), "in", "imap", "", remote, into)
    return _row(await _jobs(context).begin(spec, password.text))


@operation("migration push", role="administrator")
async def push(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    address: Address,
    *,
    host: str,
    password: Secret,
    port: int = 0,
    tls: Security = "tls",
    login: str = "",
    master: str = "",
    master_form: MasterForm = "authzid",
    mailbox: str = "",
    unverified: bool = False,
) -> JobRow:
    """Copies a user's mail to another IMAP server, as a job that goes on in the background.

    Args:
        address: the user's address here.
        host: the other server.
        password: the password there; better given on standard input, where no one sees it.
        port: its port; without it, 993, or 143 for starttls and off.
        tls: TLS from the start, STARTTLS, or none.
        login: the user's login there; without it, the address here.
        master: an administrator's login there, whose password is given instead of the user's.
        master_form: how to log in as a user there: SASL authorisation identity, user*master, or #user#master#.
        mailbox: the only mailbox to copy.
        unverified: take any certificate of the other server.
    """
    account = await user.find(context, address)
    remote = _remote(Remote(host, port, login or str(account.address), tls, not unverified, master, master_form))
    spec = JobSpec(account.account_id, str(account.address), "out", "imap", "", remote, mailbox)
    return _row(await _jobs(context).begin(spec, password.text))


def _remote(asked: Remote) -> Remote:
    """With the port that the kind of TLS is known by, if none is given. Raises BadValue."""
    if not 0 <= asked.port <= 65535 or not asked.host or any(char.isspace() for char in asked.host):
        raise BadValue("host is a name or an address, port is 1 to 65535")
    return replace(asked, port=asked.port or _PORTS[asked.security])


@operation("migration list", role="administrator", reads=True)
async def list_(context: Context) -> Sequence[JobRow]:
    """Lists all migration jobs, oldest first."""
    return [_row(job) for job in await _jobs(context).jobs()]


@operation("migration show", role="administrator", reads=True)
async def show(context: Context, job: str) -> JobDetail:
    """Shows one job: how far it is, and what could not be copied by its last run.

    Args:
        job: the job's number, as listed.
    """
    jobs = _jobs(context)
    found = await jobs.job(job)
    spec, counts = found.spec, found.counts
    problems = [f"{each.folder}: {each.key}: {each.text}" for each in await jobs.problems(found.job_id)]
    return JobDetail(
        job=found.job_id,
        account=spec.address,
        direction=spec.direction,
        format=spec.medium,
        place=spec.place,
        mailbox=spec.mailbox,
        state=found.state,
        reason=found.reason,
        begun=stamp(found.begun_at),
        changed=stamp(found.changed_at),
        runs=found.runs,
        folders=counts.folders,
        found=counts.found,
        copied=counts.copied,
        copied_bytes=counts.copied_bytes,
        updated=counts.updated,
        removed=counts.removed,
        failed=counts.failed,
        problems=tuple(problems),
    )


@operation("migration stop", role="administrator")
async def stop(context: Context, job: str) -> JobRow:
    """Interrupts a job; resume goes on with it.

    Args:
        job: the job's number, as listed.
    """
    return _row(await _jobs(context).stop(job))


@operation("migration resume", role="administrator")
async def resume(context: Context, job: str, *, password: Secret | None = None) -> JobRow:
    """Goes on with a job that stopped or failed, where it was.

    Args:
        job: the job's number, as listed.
        password: a password for the other server, - to give it on standard input; without it, the one given before.
    """
    return _row(await _jobs(context).resume(job, password.text if password else None))


@operation("migration delta", role="administrator")
async def delta(context: Context, job: str, *, remove: bool = False, password: Secret | None = None) -> JobRow:
    """Runs a job again for what changed since: new messages, other flags.

    Args:
        job: the job's number, as listed.
        remove: remove messages from the copy that are not at the source any more.
        password: the other server's, - to give it on standard input: it is forgotten when a job is done.
    """
    return _row(await _jobs(context).delta(job, password.text if password else None, remove=remove))


@operation("migration delete", role="administrator")
async def delete(context: Context, job: str) -> None:
    """Forgets a job, with its password and what it copied when; the copies stay.

    Args:
        job: the job's number, as listed.
    """
    await _jobs(context).delete(job)
