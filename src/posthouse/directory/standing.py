"""Whether the owner of a mailbox is still there, for mail that has waited here for its time (RFC 4865)."""

from __future__ import annotations

from posthouse.interfaces.directory import Directory
from posthouse.model.namespaces import shared_domain_id


async def is_there(directory: Directory, account_id: int) -> bool:
    """An account, or the domain whose shared tree it is; disabled ones too. Raises Temporary."""
    if domain_id := shared_domain_id(account_id):
        return any(domain.domain_id == domain_id for domain in await directory.domains())
    return await directory.account_by_id(account_id) is not None
