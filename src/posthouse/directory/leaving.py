"""What is left to do when an account, a domain or an alias is deleted: its mail, and the rights that others gave it.

The directory notes it in the same step in which it deletes (``DirectoryWriter.leaving``), so that a crash in between leaves
nothing behind: it is done when the node is up again. Doing it twice does no harm.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from posthouse.interfaces.directory import DirectoryWriter
from posthouse.interfaces.mailstore import MailStore

Forget = Callable[[int], Awaitable[object]]
"""Takes away what another store keeps for an account."""


async def finish_leaving(directory: DirectoryWriter, store: MailStore, *forget: Forget) -> int:
    """Does all of it; gives how many there were. Raises MailError: what is not done yet stays noted."""
    leaving = await directory.leaving()
    for one in leaving:
        if one.account_id:
            await store.delete_account(one.account_id)
            for elsewhere in forget:
                await elsewhere(one.account_id)
        await store.forget_identifier(one.identifier)
        await directory.left(one)
    return len(leaving)
