"""The embedded scorer (CON-8): rules, what the site and the user have taught, lists; on one scale. Needs no other program.

Each share is told with its reason. What was learnt decides once there is enough of it; then rules about what the message says
count for little, since what was learnt has seen the same, and rules about the way (``evidence``) count in full.

Failing: a list of links that does not answer is left out (open); weights or rules that cannot be read are Temporary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from posthouse.content.antispam.bodyfacts import link_hosts
from posthouse.content.antispam.facts import owner
from posthouse.content.antispam.fitting import USER_MARGIN
from posthouse.content.antispam.ruleset import RuleSet
from posthouse.content.antispam.texts import Texts, texts_of
from posthouse.content.antispam.tokens import MessageTokens, tokens_of
from posthouse.content.antispam.weights import BrokenWeights, Margin, Weights, parse
from posthouse.interfaces.blocklists import BlockLists
from posthouse.interfaces.spam_lessons import SpamWeights
from posthouse.model.spam import SITE_ID, SPAM_POINTS, RuleHit, ScoredMail, SpamReport

NAME = "embedded"
POINTS_PER_MARGIN = 125.0
MOST_POINTS, LEAST_POINTS = 250.0, -40.0
LEARNT_SHARE = 0.05
"""What rules about content count when what was learnt decides."""
MAX_LINK_DOMAINS = 20
CACHED_USERS = 24
TOLD_WORDS = 5
TOLD_FROM = 45.0
"""Points from which the words are told."""
_KINDS = {"w": "", "w2": "", "s": "subject ", "sl": "subject ", "sb": "subject ", "fromd": "from ", "u": "link ", "ud": "link "}
LARGE_BYTES = 5 << 10
"""Messages from this size on are read in a thread: a millisecond each, ten for 60 KiB."""


class EmbeddedScorer:
    """``interfaces.scorer.Scorer``. ``rules`` gives the rules in use; ``enough`` how many (spam, ham) messages the site must
    have taught before that counts."""

    def __init__(
        self,
        weights: SpamWeights,
        rules: Callable[[], Awaitable[RuleSet]],
        links: BlockLists | None = None,
        *,
        enough: Callable[[], tuple[int, int]] = lambda: (200, 200),
    ) -> None:
        self._weights = weights
        self._rules = rules
        self._links = links
        self._enough = enough
        self._known: dict[int, tuple[int, Weights | None]] = {}

    @property
    def name(self) -> str:
        return NAME

    @property
    def is_here(self) -> bool:
        return True  # the lists of links keep their own time

    async def score(self, mail: ScoredMail) -> SpamReport:
        site = await self._of(SITE_ID)
        if site is not None and (site.spam < self._enough()[0] or site.ham < self._enough()[1]):
            site = None
        user = await self._of(mail.account_id) if mail.account_id != SITE_ID else None
        share = LEARNT_SHARE if site is not None else 1.0
        rules = await self._rules()

        def read() -> tuple[Texts, list[RuleHit]]:
            texts = texts_of(mail.content, mail.summary)
            hits = [found.hit(share) for found in rules.found(mail, texts)]
            if site is not None or user is not None:
                hits += _taught(tokens_of(mail.content, mail.summary, texts), site, user)
            return texts, hits

        texts, hits = await asyncio.to_thread(read) if len(mail.content) >= LARGE_BYTES else read()
        hits += [
            RuleHit(_rule_name("DNSBL", zone), points, f"the client is on the list {zone}") for zone, points in mail.dnsbl_hits
        ]
        hits += await self._listed(mail, texts)
        return SpamReport(NAME, tuple(hits))

    async def _of(self, owner_id: int) -> Weights | None:
        """An owner's weights, read again when there are newer ones."""
        version = await self._weights.version(owner_id)
        known = self._known.pop(owner_id, None)
        if not version:  # most users have taught nothing: they take nobody's place
            return None
        if known is None or known[0] != version:
            octets = await self._weights.octets(owner_id)
            try:
                weights = await asyncio.to_thread(parse, octets) if octets else None
            except BrokenWeights:
                weights = None
            if len(self._known) > CACHED_USERS:
                self._known.pop(next(each for each in self._known if each != SITE_ID))
            known = (version, weights)
        self._known[owner_id] = known
        return known[1]

    async def _listed(self, mail: ScoredMail, texts: Texts) -> Sequence[RuleHit]:
        if self._links is None or mail.outgoing:
            return ()
        domains = list(dict.fromkeys(owner(host) for host in link_hosts(texts) if "." in host))[:MAX_LINK_DOMAINS]
        if not domains:
            return ()
        found = await asyncio.gather(*map(self._links.domain, domains))
        listed = {hit.zone: hit for hits in found for hit in hits}
        return [
            RuleHit(_rule_name("LINK", each.zone), each.points, f"a link to {each.what}, which is on the list {each.zone}")
            for each in listed.values()
        ]


def _taught(tokens: MessageTokens, site: Weights | None, user: Weights | None) -> list[RuleHit]:
    """What the site's and the user's lessons say."""
    hits: list[RuleHit] = []
    margin = site.margin(tokens) if site is not None else alone(tokens)
    value = 0.0
    if site is not None:
        value = margin.value - site.threshold
        hits.append(_hit("LEARNT_SITE", points_of(value), site, tokens))
    if user is not None:
        correction = user.added(tokens, margin)
        before = points_of(value) if site is not None else 0.0
        by_itself = min(max(correction / USER_MARGIN, -1.2), 1.2) * SPAM_POINTS
        after = points_of(value + correction) if site is not None else by_itself
        if abs(after - before) >= 1.0:
            hits.append(_hit("LEARNT_USER", round(after - before, 1), user, tokens))
    return hits


def alone(tokens: MessageTokens) -> Margin:
    """What stands for a site's margin where the site has taught too little: nothing, and all tokens alike."""
    return Margin(0.0, max(len(tokens.header), 1) ** 0.5, max(len(tokens.body), 1) ** 0.5)


def points_of(margin: float) -> float:
    """The points of a margin above or below the threshold."""
    points = SPAM_POINTS - 0.1 + POINTS_PER_MARGIN * margin if margin <= 0 else SPAM_POINTS + POINTS_PER_MARGIN * margin
    return round(min(max(points, LEAST_POINTS), MOST_POINTS), 1)


def _hit(rule: str, points: float, weights: Weights, tokens: MessageTokens) -> RuleHit:
    words = (
        ", ".join(dict.fromkeys(map(_shown, weights.telling(tokens, TOLD_WORDS, spam=points > 0))))
        if abs(points) >= TOLD_FROM
        else ""
    )
    kind = "spam" if points > 0 else "wanted mail"
    return RuleHit(rule, points, f"like {kind} that was learnt" + (f": {words}" if words else ""))


def _shown(token: str) -> str:
    """A token for people."""
    kind, _, word = token.partition(":")
    text = f"{_KINDS[kind]}{word}" if kind in _KINDS and word else token
    return "".join([character if character.isprintable() else "?" for character in text[:40]])


def _rule_name(kind: str, zone: str) -> str:
    return f"{kind}_" + "".join([character if character.isalnum() else "_" for character in zone.upper()])[:40]
