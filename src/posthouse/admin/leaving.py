"""After a user, a domain or an alias was deleted: the mail store is told, now or, if that cannot be, by the node later."""

from __future__ import annotations

from posthouse.admin.context import Context
from posthouse.base import log
from posthouse.base.errors import MailError

_log = log.get("leaving")


async def finish_leaving(context: Context) -> None:
    """Also before something new gets a name: what a crash has left of its predecessor must not fall to it."""
    from posthouse.directory.leaving import finish_leaving as finish  # the command line loads the nouns for their syntax only

    try:
        await finish(context.directory_writer, context.store, *context.junk.forgetting())
    except MailError as error:
        _log.warning("mail-left-for-later", cause=error.cause or error.public)
