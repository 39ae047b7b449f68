"""What the site and its users have taught the embedded scorer (CON-8). Teaching itself is ``antispam train``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from posthouse.admin import user as users
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.scorerdesk import ScorerDesk
from posthouse.base.errors import Permanent
from posthouse.model.address import Address
from posthouse.model.spam import SITE_ID
from posthouse.model.spam_learning import Learnt


@dataclass(frozen=True, slots=True)
class LessonsRow:
    """How many messages of either kind are known, how many changes are not in the weights yet, and from when these are.
    ``counts``: there are enough lessons for them to count."""

    owner: str
    spam: int
    ham: int
    waiting: int
    fitted: str
    counts: bool


@operation("lesson show", role="reader", reads=True)
async def show(context: Context, *, user: Address | None = None) -> LessonsRow:
    """Shows how much has been taught.

    Args:
        user: what this user has taught for himself; the site if left out.
    """
    owner_id, name = await _owner(context, user)
    return await _row(context, name, await _desk(context).lessons.learnt(owner_id))


@operation("lesson fit", role="administrator")
async def fit(context: Context, *, user: Address | None = None) -> LessonsRow:
    """Makes weights of all lessons now, rather than when it is due. May take a minute for ten thousand lessons.

    Args:
        user: of what this user has taught; of the site's lessons if left out.
    """
    owner_id, name = await _owner(context, user)
    return await _row(context, name, await _desk(context).school.fit(owner_id))


@operation("lesson forget", role="administrator")
async def forget(context: Context, *, user: Address | None = None) -> LessonsRow:
    """Forgets everything that was taught.

    Args:
        user: by this user for himself; the site forgets if left out.
    """
    owner_id, name = await _owner(context, user)
    await _desk(context).lessons.forget_owner(owner_id)
    return await _row(context, name, await _desk(context).lessons.learnt(owner_id))


async def _owner(context: Context, user: Address | None) -> tuple[int, str]:
    if user is None:
        return SITE_ID, "site"
    return (await users.find(context, user)).account_id, str(user)


async def _row(context: Context, name: str, learnt: Learnt) -> LessonsRow:
    settings = (await context.configuration.load()).scorer
    enough = learnt.spam >= settings.enough_spam and learnt.ham >= settings.enough_ham
    fitted = datetime.fromtimestamp(learnt.fitted_at, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if learnt.version else "never"
    counts = learnt.version > 0 and (enough or learnt.owner_id != SITE_ID)
    return LessonsRow(name, learnt.spam, learnt.ham, learnt.changes - learnt.fitted, fitted, counts)


def _desk(context: Context) -> ScorerDesk:
    if context.scorer is None:
        raise Permanent("there is no embedded scorer on this node")
    return context.scorer
