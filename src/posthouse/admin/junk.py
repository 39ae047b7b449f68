"""What happens to spam: for the site, domains, classes of service and users; the Junk Mail Filter of users (CON-11, CON-13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posthouse.admin import user
from posthouse.admin.arguments import DomainName, UsageError
from posthouse.admin.context import Context, NotAllowed
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue
from posthouse.model.address import Address
from posthouse.model.junk import TERM_NAMES, TermsOwner, junk_policy
from posthouse.model.limits import checked_class_name

Action = Literal["deliver", "tag", "move", "quarantine", "reject", "inherit"]
Mode = Literal["off", "normal", "exclusive", "inherit"]
Blocked = Literal["junk", "reject", "discard", "inherit"]


@dataclass(frozen=True, slots=True)
class JunkRow:
    """What holds, or what one place says; "" where it says nothing."""

    whose: str
    action: str
    spam_points: str
    reject_points: str
    subject_tag: str
    mode: str
    blocked: str


@dataclass(frozen=True, slots=True)
class FilterRow:
    """One user's Junk Mail Filter."""

    address: str
    filter: str


@operation("junk show", role="help-desk", scope="domain", reads=True)
async def show(
    context: Context, *, domain: DomainName | None = None, cos: str | None = None, user: Address | None = None
) -> JunkRow:
    """Shows what happens to spam: what holds for a user, or what a domain or a class says, or else the site.

    Args:
        domain: what this domain says.
        cos: what this class of service says.
        user: what holds for mail to this address, all taken together.
    """
    if user is not None:
        context.require_domain(user.domain)
        said = await context.junk.book.said(user)
        policy = junk_policy(said, (await context.configuration.load()).junk)
        return _row(str(user), {name: getattr(policy, name) for name in TERM_NAMES})
    if domain is None and cos is None:
        site = (await context.configuration.load()).junk
        return _row("the site", {name: getattr(site, name) for name in TERM_NAMES})
    owner = await _owner(context, domain, cos, None)
    return _row(owner.name, (await context.junk.book.terms(owner)).said())


@operation("junk set", role="domain-administrator", scope="domain")
async def set_(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    *,
    domain: DomainName | None = None,
    cos: str | None = None,
    user: Address | None = None,
    action: Action | None = None,
    spam_points: str | None = None,
    reject_points: str | None = None,
    subject_tag: str | None = None,
    mode: Mode | None = None,
    blocked: Blocked | None = None,
) -> JunkRow:
    """Says what happens to spam for a domain, a class of service or a user; setting set junk.KEY does for the site.

    Args:
        domain: for this domain's users.
        cos: for users and domains of this class of service.
        user: for this user alone.
        action: deliver as if it were none, tag the subject, move into Junk Mail, hold in the quarantine, reject.
        spam_points: points from which mail is spam, or inherit.
        reject_points: points from which it is refused whatever the action, 0 for never, or inherit.
        subject_tag: what is put in front of the subject of tagged mail, or inherit.
        mode: the Junk Mail Filter of users who chose none.
        blocked: mail of blocked senders: as junk, refused, or dropped.
    """
    owner = await _owner(context, domain, cos, user)
    given = {"action": action, "subject_tag": subject_tag, "mode": mode, "blocked": blocked}
    changes: dict[str, str | float | None] = {
        name: None if value == "inherit" else value for name, value in given.items() if value is not None
    }
    for name, text in (("spam_points", spam_points), ("reject_points", reject_points)):
        if text is not None:
            changes[name] = None if text == "inherit" else _points(name, text)
    if not changes:
        raise BadValue("nothing to change: give --action or another option")
    terms = (await context.junk.book.terms(owner)).changed(changes)
    await context.junk.book_writer.put_terms(owner, terms)
    return _row(owner.name, terms.said())


@operation("junk filter", role="user", scope="domain")
async def filter_(context: Context, address: Address, mode: Mode) -> FilterRow:
    """Sets a user's Junk Mail Filter: off, normal, or exclusive: only allowed senders reach the inbox.

    Args:
        address: the user's address; users set their own.
        mode: off, normal, exclusive; inherit for what domain, class and site say.
    """
    if context.role not in ("administrator", "domain-administrator") and not context.is_own(address):
        raise NotAllowed("you may set your own Junk Mail Filter only")
    owner = await _owner(context, None, None, address)
    terms = (await context.junk.book.terms(owner)).changed({"mode": None if mode == "inherit" else mode})
    await context.junk.book_writer.put_terms(owner, terms)
    policy = junk_policy(await context.junk.book.said(address), (await context.configuration.load()).junk)
    return FilterRow(str(address), policy.mode)


async def _owner(context: Context, domain: str | None, cos: str | None, who: Address | None) -> TermsOwner:
    """Exactly one must be given. Raises UsageError, NotAllowed, NotFound."""
    if [domain is not None, cos is not None, who is not None].count(True) != 1:
        raise UsageError("for whom? one of --domain DOMAIN, --cos CLASS, --user ADDRESS")
    if domain is not None:
        context.require_domain(domain)
        return TermsOwner("domain", domain)
    if cos is not None:
        if context.role == "domain-administrator":
            raise NotAllowed("classes of service are set by an administrator")
        return TermsOwner("class", checked_class_name(cos))
    assert who is not None
    context.require_domain(who.domain)
    account = await user.find(context, who)
    if not context.is_own(who):
        context.require_account(account)
    return TermsOwner("user", account.address.key)


def _points(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadValue(f"{name}: {text!r} is not a number") from None


def _row(whose: str, said: dict[str, str | float]) -> JunkRow:
    def text(name: str) -> str:
        value = said.get(name, "")
        return f"{value:g}" if isinstance(value, (int, float)) else value

    return JunkRow(whose, *(text(name) for name in TERM_NAMES))
