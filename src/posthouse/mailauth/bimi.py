"""BIMI: the picture that a brand wants shown beside its mail (draft-brand-indicators-for-message-identification).

Asked only of mail that passed DMARC, of a domain that has others refused or quarantined. Nothing is fetched from the web here:
who shows the picture does that, and checks the mark certificate; so ``policy.authority`` is always none.
Failing: without an answer from DNS the result is ``temperror``, and no picture is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from posthouse.base.errors import Temporary
from posthouse.formats.headers import unfold
from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth.dmarc import TreeWalks
from posthouse.mailauth.dmarc_record import Record
from posthouse.mailauth.message import Message
from posthouse.model.mail_authentication import BimiResult, DmarcResult

LOCATION, INDICATOR, SELECTOR = "BIMI-Location", "BIMI-Indicator", "BIMI-Selector"
OURS = frozenset(("bimi-location", "bimi-indicator", "bimi-logo-preference"))
"""Fields that only a receiver writes, in lower case: a stranger's must go."""
DEFAULT = "default"
MAX_RECORD = 4096
MAX_URI = 1024

_VERSION = re.compile(r"v[ \t]*=[ \t]*BIMI1[ \t]*(?:;|\Z)")
_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?")
_URI = re.compile(r"https://[A-Za-z0-9.\-]+(?::\d{1,5})?(?:/[A-Za-z0-9\-._~:/?#@!$&'*+=%]*)?", re.I)
_PERCENT = re.compile(r"(?:^|;)\s*pct\s*=\s*(\d{1,3})\s*(?:;|$)", re.I)


async def evaluate(message: Message, dmarc: DmarcResult, resolver: Resolver, walks: TreeWalks) -> BimiResult:
    """The result for the author's domain, whose DMARC result this is."""
    selector = selector_of(message)
    found = BimiResult("skipped", dmarc.domain, selector)
    if dmarc.result != "pass":
        return found
    try:
        walk = await walks.of(dmarc.domain)
        if not _enforced(dmarc.domain, walk.organizational, dict(walk.records)):
            return found
        for domain in dict.fromkeys((dmarc.domain, walk.organizational)):
            texts = [text for text in await resolver.txt(f"{selector}._bimi.{domain}") if _VERSION.match(text)]
            if texts:
                return read(texts, domain, selector)
    except Temporary as error:
        return BimiResult("temperror", dmarc.domain, selector, detail=f"no answer from DNS: {error.cause or error.public}")
    return BimiResult("none", dmarc.domain, selector)


async def is_shown_for(domain: str, walks: TreeWalks) -> bool:
    """Whether the domain's DMARC policy is strict enough for its picture. Raises Temporary."""
    walk = await walks.of(domain)
    return _enforced(domain, walk.organizational, dict(walk.records))


def _enforced(author: str, organization: str, records: dict[str, Record]) -> bool:
    """Whether the author's domain and its organization both have false mail refused or quarantined, all of it."""
    own, whole = records.get(author), records.get(organization)
    policies = [own.policy if own is not None else whole.subdomains if whole is not None else "none"]
    if whole is not None:
        policies += [whole.policy, whole.subdomains]
    asked = [record for record in (own, whole) if record is not None]
    return "none" not in policies and not any(record.testing or _partly(record) for record in asked)


def _partly(record: Record) -> bool:
    """RFC 7489's pct= below 100."""
    percent = _PERCENT.search(record.text)
    return percent is not None and int(percent[1]) < 100


def selector_of(message: Message) -> str:
    """What the one BIMI-Selector field says, else ``default``."""
    fields = message.named(SELECTOR.lower())
    if len(fields) != 1:
        return DEFAULT
    tags = _tags(unfold(message.value(fields[0]))[:MAX_RECORD])
    selector = tags.get("s", "")
    return selector.lower() if tags.get("v", "").upper() == "BIMI1" and _SELECTOR.fullmatch(selector) else DEFAULT


def read(texts: Sequence[str], domain: str, selector: str) -> BimiResult:
    """What the assertion record says. Empty l= and a= are the domain's wish to have no picture shown."""
    if len(texts) > 1 or len(texts[0]) > MAX_RECORD:
        return BimiResult("fail", domain, selector, detail="more than one record, or too long a one")
    tags = _tags(texts[0])
    location, authority = tags.get("l", ""), tags.get("a", "")
    if not location and not authority:
        return BimiResult("declined", domain, selector, detail=f"{domain} wants no picture shown")
    for uri in (location, authority):
        if uri and (len(uri) > MAX_URI or not _URI.fullmatch(uri)):
            return BimiResult("fail", domain, selector, detail="an address that is not https")
    if not location:
        return BimiResult("fail", domain, selector, detail="the record names no picture")
    return BimiResult("pass", domain, selector, location, authority, f"{domain} shows {location}")


def location_field(found: BimiResult) -> str:
    """The value of BIMI-Location, for whoever shows the message."""
    evidence = f"; a={found.authority}" if found.authority else ""
    return f"v=BIMI1; l={found.location}{evidence}"


def _tags(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in text.split(";"):
        name, _, value = piece.partition("=")
        found.setdefault(name.strip().lower(), value.strip())
    return found
