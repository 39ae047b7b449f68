"""What rules can ask of a message beside patterns: named facts, each a plain yes.

Facts of the way and the header stand here, those of the body in ``bodyfacts``. A rule names them in its group's file; a name
that is not listed in ``FACTS`` is an error there. Nothing here is ever asked of the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network

from posthouse.content.antispam.bodyfacts import BODY_FACTS, body_facts
from posthouse.content.antispam.texts import Texts
from posthouse.formats import dates, headers
from posthouse.model.mail_authentication import AuthReport
from posthouse.model.spam import ScoredMail

HEADER_FACTS: Mapping[str, str] = {
    "outgoing": "sent by somebody of ours",
    "client_unnamed": "the client's address, one of the Internet's, has no verified name",
    "client_dynamic": "the client's name looks like one of a dial-in or home line",
    "helo_address": "the client greets with a bare address",
    "helo_plain": "the client greets with a name without a dot",
    "helo_elsewhere": "the client greets with the name of another domain than its own",
    "spf_pass": "SPF: pass", "spf_fail": "SPF: fail", "spf_softfail": "SPF: softfail",
    "dkim_pass": "a DKIM signature is valid", "dkim_fail": "there are DKIM signatures and none is valid",
    "dmarc_pass": "DMARC: pass", "dmarc_fail": "DMARC: fail",
    "unauthenticated": "looked at, and neither SPF nor DKIM passes",
    "null_sender": "the envelope has no sender",
    "sender_elsewhere": "the envelope's sender and the author have different domains",
    "no_message_id": "no Message-ID", "no_date": "no Date", "no_from": "no author", "no_to": "no To and no Cc",
    "no_subject": "no subject",
    "date_broken": "a Date that is none", "date_ahead": "dated more than half a day after it came",
    "date_behind": "dated more than a week before it came",
    "doubled": "two fields where there may be one",
    "broken_header": "the header breaks the rules so that programs may read it differently",
    "reply_to_elsewhere": "answers go to another domain than the author's",
    "free_from": "the author is at a free mail service", "free_reply_to": "answers go to a free mail service",
    "free_forged": "the author claims a free mail service that the message did not come through",
    "name_is_address": "the author's name is an address of another domain",
    "to_hidden": "the recipients are not named", "many_recipients": "more than 20 recipients are named",
    "to_is_from": "author and recipient are the same address",
    "reply": "an answer that names what it answers", "reply_claimed": "says Re: and answers nothing",
    "list": "from a mailing list", "unsubscribe": "says how to unsubscribe in the header",
    "raw_octets": "octets outside ASCII in the header, undeclared",
    "subject_capitals": "the subject is in capital letters", "subject_gap": "the subject has a wide gap",
    "subject_disguised": "the subject is encoded though it is plain ASCII",
    "message_id_elsewhere": "the Message-ID's domain has nothing to do with the author or the way",
}  # fmt: skip
FACTS: Mapping[str, str] = {**HEADER_FACTS, **BODY_FACTS}

_ONCE = frozenset(("from", "to", "subject", "date", "message-id", "reply-to", "sender", "mime-version", "content-type"))
_DYNAMIC = re.compile(
    r"(?:\d{1,3}[.\-_x]){3}\d{1,3}|(?:dsl|dial|dyn|pool|ppp|cable|dhcp|client|customer|broadband|catv|wline)[\w\-]*[.\-]?\d"
    r"|\d[\w\-]*\.(?:dsl|adsl|dyn|dial|pool|ppp|cable|dhcp|broadband)\w*\."
)
_ADDRESS_LITERAL = re.compile(r"\[?(?:IPv6:)?[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]+\]?")
_IN_NAME = re.compile(r"\w@([\w\-]++(?:\.[\w\-]++)++)")
_HOST = re.compile(r"[A-Za-z0-9_\-]++(?:\.[A-Za-z0-9_\-]++)++")
_ENCODED = re.compile(r"=\?[^?\s]{1,40}\?[bBqQ]\?[^?]*+\?=")
_GAP = re.compile(r"\S\s{5,}\S")
_SECOND_LEVEL = frozenset(("co", "com", "org", "net", "ac", "gov", "edu", "or", "ne", "go"))
_NEAR = tuple(map(ip_network, (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10",
)))  # fmt: skip
_HALF_DAY_S, _WEEK_S = 43_200.0, 7 * 86_400.0
_HOPS = 12


def owner(host: str) -> str:
    """The part of a host name that somebody registered, as far as its form tells."""
    labels = host.lower().strip(".").split(".")
    if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL:
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])


def facts_of(mail: ScoredMail, texts: Texts, lists: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The names of all facts that hold. ``lists`` are the rule groups' named lists: ``free_mail``, ``shorteners``."""
    return frozenset((*_way(mail), *_authentication(mail.auth), *_header(mail, lists), *body_facts(texts, lists)))


def _way(mail: ScoredMail) -> Iterator[str]:
    if mail.outgoing:
        yield "outgoing"
        return
    if not _far(mail.client_address):
        return
    host, helo = mail.client_host.lower(), mail.helo.lower()
    if not host:
        yield "client_unnamed"
    if host and _DYNAMIC.search(host):
        yield "client_dynamic"
    if helo:
        if _ADDRESS_LITERAL.fullmatch(helo):
            yield "helo_address"
        elif "." not in helo:
            yield "helo_plain"
        elif host and owner(host) != owner(helo):
            yield "helo_elsewhere"


@lru_cache(1_024)
def _far(address: str) -> bool:
    """Whether a client's address is one of the Internet's: those of one's own network need no names. Few bring much mail."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return not any(found in network for network in _NEAR if network.version == found.version)


def _authentication(auth: AuthReport | None) -> Iterator[str]:
    if auth is None:
        return
    spf = auth.spf.result if auth.spf else "none"
    if spf in ("pass", "fail", "softfail"):
        yield f"spf_{spf}"
    signed = bool(auth.signed_by())
    if signed:
        yield "dkim_pass"
    elif auth.dkim:
        yield "dkim_fail"
    if auth.dmarc is not None and auth.dmarc.result in ("pass", "fail"):
        yield f"dmarc_{auth.dmarc.result}"
    if spf != "pass" and not signed:
        yield "unauthenticated"


def _header(mail: ScoredMail, lists: Mapping[str, frozenset[str]]) -> Iterator[str]:
    summary, content = mail.summary, mail.content
    names = {field.name for field in summary.root.headers}
    for name, fact in (("message-id", "no_message_id"), ("date", "no_date"), ("subject", "no_subject")):
        if name not in names:
            yield fact
    once = [field.name for field in summary.root.headers if field.name in _ONCE]
    if len(once) != len(set(once)):
        yield "doubled"
    if summary.problems:
        yield "broken_header"
    if not content[: summary.header_end].isascii():
        yield "raw_octets"
    yield from _dates(mail)
    yield from _people(mail, names, lists)
    yield from _subject(mail, names)
    if "list-id" in names or "list-post" in names:
        yield "list"
    if "list-unsubscribe" in names:
        yield "unsubscribe"


def _dates(mail: ScoredMail) -> Iterator[str]:
    summary = mail.summary
    if headers.find(summary.root.headers, "date") is None:
        return
    if summary.sent_at is None:
        yield "date_broken"
        return
    trace = headers.value_of(mail.content, summary.root, "received")
    came = dates.parse(trace.rpartition(";")[2].strip()) if ";" in trace else None
    if came is not None:
        if summary.sent_at - came > _HALF_DAY_S:
            yield "date_ahead"
        elif came - summary.sent_at > _WEEK_S:
            yield "date_behind"


def _people(mail: ScoredMail, names: set[str], lists: Mapping[str, frozenset[str]]) -> Iterator[str]:
    content, root, summary = mail.content, mail.summary.root, mail.summary
    authors = headers.addresses(headers.value_of(content, root, "from")[:2_000])[:3]
    free = lists.get("free_mail", frozenset())
    author = owner(authors[0][2]) if authors and authors[0][2] else ""
    way = _hosts(mail)
    if not author:
        yield "no_from"
    elif author in free:
        yield "free_from"
        passed = mail.auth is not None and mail.auth.dmarc is not None and mail.auth.dmarc.result == "pass"
        if way and author not in way and not passed and "list-id" not in names:
            yield "free_forged"
    if authors:
        named = _IN_NAME.search(authors[0][0])
        if named and author and owner(named[1]) != author:
            yield "name_is_address"
    answers = headers.addresses(headers.value_of(content, root, "reply-to")[:2_000])[:1]
    if answers and answers[0][2]:
        answering = owner(answers[0][2])
        if author and answering != author:
            yield "reply_to_elsewhere"
        if answering in free and author not in free:
            yield "free_reply_to"
    sender = mail.sender.rpartition("@")[2]
    if sender and author and owner(sender) != author:
        yield "sender_elsewhere"
    if not mail.sender and mail.client_address:
        yield "null_sender"
    identifier = summary.message_id.strip("<>").rpartition("@")[2]
    if author and "." in identifier and owner(identifier) not in way | {author, owner(sender) if sender else ""}:
        yield "message_id_elsewhere"
    yield from _recipients(mail, names, authors)


def _recipients(mail: ScoredMail, names: set[str], authors: list[tuple[str, str, str]]) -> Iterator[str]:
    summary = mail.summary
    if not names & {"to", "cc", "bcc"}:
        yield "no_to"
    elif not summary.to_addresses and not summary.cc_addresses:
        yield "to_hidden"
    if len(summary.to_addresses) + len(summary.cc_addresses) > 20:
        yield "many_recipients"
    if authors and len(summary.to_addresses) == 1:
        address = f"{authors[0][1]}@{authors[0][2]}".lower()
        if summary.to_addresses[0].lower() == address:
            yield "to_is_from"


def _hosts(mail: ScoredMail) -> set[str]:
    """Who owns the hosts that the Received fields name, and the client."""
    found = {owner(mail.client_host)} if mail.client_host else set()
    hops = [field for field in mail.summary.root.headers if field.name == "received"][:_HOPS]
    for field in hops:
        way = headers.unfold(mail.content[field.value_start : min(field.end, field.value_start + 500)]).partition(";")[0]
        found.update([owner(host) for host in _HOST.findall(way) if not host[-1].isdigit()])
    return found


def _subject(mail: ScoredMail, names: set[str]) -> Iterator[str]:
    subject = mail.summary.subject
    if subject[:3].lower() == "re:":
        yield "reply" if names & {"in-reply-to", "references"} else "reply_claimed"
    letters = [character for character in subject if character.isalpha()]
    if len(letters) >= 8 and all(map(str.isupper, letters)):
        yield "subject_capitals"
    if _GAP.search(subject):
        yield "subject_gap"
    raw = headers.value_of(mail.content, mail.summary.root, "subject")[:2_000]
    if "=?" in raw and subject.isascii() and _ENCODED.search(raw) and len(raw) < 200:
        yield "subject_disguised"
