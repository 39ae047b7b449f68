"""What happens to spam, as it was said at five places, and what follows for one recipient (CON-11, CON-13).

What the user says wins over the user's class of service, that over the domain, that over the domain's class, that over the
site's settings (group ``junk``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from posthouse.base.errors import BadValue
from posthouse.model.address import Address
from posthouse.model.settings import JunkSettings

JunkAction = Literal["deliver", "tag", "move", "quarantine", "reject"]
"""Nothing; the subject is tagged; into Junk Mail; into the recipient's quarantine; refused in the session."""

FilterMode = Literal["off", "normal", "exclusive"]
"""Points have no effect; spam is kept apart; only allowed senders reach the inbox."""

BlockedAction = Literal["junk", "reject", "discard"]
TermsScope = Literal["user", "class", "domain"]

MAX_TAG_CHARS = 40
MAX_POINTS = 100_000.0


@dataclass(frozen=True, slots=True)
class TermsOwner:
    """Whose terms: a user's (``Address.key``; no account need exist), a class's, a domain's (their names)."""

    scope: TermsScope
    name: str


@dataclass(frozen=True, slots=True)
class JunkTerms:
    """What one place says; None: nothing. ``reject_points`` 0: never by points."""

    action: JunkAction | None = None
    spam_points: float | None = None
    reject_points: float | None = None
    subject_tag: str | None = None
    mode: FilterMode | None = None
    blocked: BlockedAction | None = None

    def said(self) -> dict[str, str | float]:
        """What is said, by name."""
        return {name: value for name in TERM_NAMES if (value := getattr(self, name)) is not None}

    def changed(self, changes: Mapping[str, str | float | None]) -> JunkTerms:
        """With other values, checked; None: says nothing of it any more. Raises BadValue."""
        for name, value in changes.items():
            if value is not None:
                _check(name, value)
        return replace(self, **dict(changes))  # type: ignore[arg-type]


TERM_NAMES: tuple[str, ...] = tuple(field.name for field in fields(JunkTerms))
_CHOICES: dict[str, tuple[str, ...]] = {
    "action": get_args(JunkAction),
    "mode": get_args(FilterMode),
    "blocked": get_args(BlockedAction),
}


@dataclass(frozen=True, slots=True)
class JunkPolicy:
    """What holds for one recipient. ``subject_tag`` is without the space that follows it."""

    action: JunkAction
    spam_points: float
    reject_points: float
    subject_tag: str
    mode: FilterMode
    blocked: BlockedAction

    def action_for(self, points: float) -> JunkAction:
        """What happens to a message with so many points."""
        if self.reject_points and points >= self.reject_points:
            return "reject"
        return self.action if points >= self.spam_points else "deliver"


def junk_policy(said: Sequence[JunkTerms], site: JunkSettings) -> JunkPolicy:
    """What follows from what was said, strongest first, and the site's settings."""
    values: dict[str, str | float] = {name: getattr(site, name) for name in TERM_NAMES}
    for terms in reversed(said):
        values.update(terms.said())
    return JunkPolicy(**values)  # type: ignore[arg-type]


def terms_owners(recipient: Address, user_class: str, domain_class: str) -> tuple[TermsOwner, ...]:
    """Whose terms hold for mail to this address, the strongest first."""
    classes = (TermsOwner("class", user_class), TermsOwner("class", domain_class))
    owners = (TermsOwner("user", recipient.key), classes[0], TermsOwner("domain", recipient.domain), classes[1])
    return tuple(owner for owner in owners if owner.name)


def terms_of(values: Mapping[str, object]) -> JunkTerms:
    """Terms that were kept; what this version does not know is left out."""
    known: dict[str, str | float | None] = {}
    for name, value in values.items():
        try:
            if isinstance(value, (str, int, float)) and name in TERM_NAMES:
                _check(name, value)
                known[name] = value
        except BadValue:
            continue
    return JunkTerms().changed(known)


def _check(name: str, value: str | float) -> None:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise BadValue(f"{name} is one of {', '.join(_CHOICES[name])}")
    elif name == "subject_tag":
        if not isinstance(value, str) or len(value) > MAX_TAG_CHARS or not value.isprintable():
            raise BadValue(f"a tag is a text of at most {MAX_TAG_CHARS} characters")
    elif isinstance(value, str) or not 0 <= value <= MAX_POINTS:
        raise BadValue(f"{name} is a number from 0 to {MAX_POINTS:.0f}")
