"""After a user, a domain or an alias was deleted: the mail store is told, now or, if that cannot be, by the node later."""

from __future__ import annotations

from posthouse.admin.context import Context
from posthouse.base.errors import MailError


async def finish_leaving(context: Context) -> None:
    """Also before something new gets a name: what a crash has left of its predecessor must not fall to it."""
    from posthouse.base import log  # both here: the command line loads the nouns for their syntax only
    from posthouse.directory.leaving import finish_leaving as finish

    try:
        await finish(context.directory_writer, context.store, *context.junk.forgetting())
    except MailError as error:
        log.get("leaving").warning("mail-left-for-later", cause=error.cause or error.public)
