"""Opens the other side of migration jobs (``MailPlaces`` of interfaces/mail_source.py): picks source or target for a medium."""

from __future__ import annotations

import asyncio
from pathlib import Path

from posthouse.backends.sources.imap import ImapSource
from posthouse.backends.sources.imap_link import ImapLink
from posthouse.backends.sources.maildir import MaildirSource
from posthouse.backends.sources.mbox import MboxSource
from posthouse.backends.targets.imap import ImapTarget
from posthouse.backends.targets.maildir import MaildirTarget
from posthouse.backends.targets.mbox import MboxTarget
from posthouse.base.errors import BadValue, MailError
from posthouse.interfaces.mail_source import MailSource, MailTarget
from posthouse.model.migration import JobSpec, Remote


class LocalPlaces:
    """Files of this machine, and servers that can be reached from it."""

    async def source(self, spec: JobSpec, password: str) -> MailSource:
        if spec.remote is None:
            path = Path(spec.path)
            if spec.medium == "mbox":
                return await asyncio.to_thread(lambda: MboxSource(path, as_inbox=bool(spec.mailbox)))
            return await asyncio.to_thread(MaildirSource, path)
        return ImapSource(await _opened(spec.remote, password))

    async def target(self, spec: JobSpec, password: str) -> MailTarget:
        path = Path(spec.path)
        if spec.medium == "mbox":
            return await asyncio.to_thread(lambda: MboxTarget(path, single=bool(spec.mailbox)))
        if spec.medium == "maildir":
            return await asyncio.to_thread(MaildirTarget, path)
        if spec.remote is None:
            raise BadValue("mail goes out to mbox, Maildir and IMAP servers")
        return ImapTarget(await _opened(spec.remote, password))


async def _opened(remote: Remote, password: str) -> ImapLink:
    link = ImapLink(remote, password)
    try:
        await link.open()
    except (MailError, asyncio.CancelledError):
        await link.close()
        raise
    return link
