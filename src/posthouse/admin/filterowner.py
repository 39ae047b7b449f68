"""Whose filters an operation means, and whether its caller may touch them (CON-1: the three levels)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context, NotAllowed
from posthouse.base.errors import NotFound
from posthouse.content.filters import Document, read, write
from posthouse.content.sieve import compile_script
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.script import SYSTEM, ScriptOwner, StoredScript

DEFAULT_SCRIPT = "filters"


@dataclass(frozen=True, slots=True)
class Owner:
    """``account`` is there for a user's. ``includes`` is whose scripts ``include :global`` means. ``words`` for people."""

    owner: ScriptOwner
    includes: ScriptOwner
    words: str
    account: Account | None = None


async def owner_of(context: Context, *, system: bool, domain: str | None, user: Address | None, write: bool) -> Owner:
    """Exactly one of the three must be given. Raises UsageError, NotAllowed, NotFound."""
    if [system, domain is not None, user is not None].count(True) != 1:
        raise UsageError("whose filters? one of --system, --domain DOMAIN, --user ADDRESS")
    if system:
        if context.role != "administrator" and (write or context.own_domain):
            raise NotAllowed("the system's filters are the administrators'")
        return Owner(SYSTEM, SYSTEM, "the system")
    if domain is not None:
        context.require_domain(domain)
        found = next((each for each in await context.directory.domains() if each.name == domain), None)
        if found is None:
            raise NotFound(f"no domain {domain}")
        return Owner(ScriptOwner("domain", found.domain_id), SYSTEM, domain)
    assert user is not None
    context.require_domain(user.domain)
    account = await context.directory.account(user)
    if account is None:
        raise NotFound(f"no user {user}")
    if write:
        context.require_account(account)
    domain_scripts = ScriptOwner("domain", account.domain_id)
    return Owner(ScriptOwner("user", account.account_id), domain_scripts, str(account.address), account)


async def script_of(context: Context, who: Owner, name: str) -> StoredScript | None:
    """The named script; without a name the one active one, else ``filters``. None if there is none. Raises NotFound."""
    if name:
        found = await context.scripts.script(who.owner, name)
        if found is None:
            raise NotFound(f"{who.words} has no script {name!r}")
        return found
    active = await context.scripts.active(who.owner)
    if len(active) == 1:
        return active[0]
    return await context.scripts.script(who.owner, DEFAULT_SCRIPT)


async def document_of(context: Context, who: Owner, name: str) -> tuple[str, Document]:
    """The script's name and its pieces, empty ones if there is no script yet. Raises NotFound, ScriptError."""
    stored = await script_of(context, who, name)
    return (stored.name, read(stored.text)) if stored else (DEFAULT_SCRIPT, Document())


async def keep(context: Context, who: Owner, name: str, document: Document) -> None:
    """Writes the script, checked; one that is new is switched on. Raises BadValue, ScriptError."""
    await keep_text(context, who, name, write(document))


async def keep_text(context: Context, who: Owner, name: str, text: str) -> None:
    """The same with the script's text."""
    compile_script(text, who.owner.scope)
    new = await context.scripts.script(who.owner, name) is None
    await context.scripts_writer.put_script(who.owner, name, text, context.clock.now())
    if new:
        await context.scripts_writer.activate(who.owner, name)
