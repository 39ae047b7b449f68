"""Our own tests (CON-1), ``require "vnd.posthouse.filter"``; ``dnsbl`` needs ``vnd.posthouse.policy``.

direction "in"                              out: written by somebody of this site
authenticated / authenticated :matches "*@example.com"
client :matches "192.0.2.*"                 :host, :helo, or :network ["10.0.0.0/8"]
wordlist :atleast 20 "objectionable"        :subject or :body alone
attachment :matches ["*.exe", "*.scr"]      :filename (default), :declared, :detected, :member, or :size :over 1M
score :atleast 50 / score :below 10
authresult :dmarc "fail"                    :spf, :dkim
indomain :sender "example.com"              :recipient; with what is below it
ingroup :sender "staff@example.com"          :recipient; members of its member lists too
inaddressbook :sender "directory"           :recipient; the directory's accounts and lists, seen from one's own domain
dnsbl "zen.example.org"                     :code ["127.0.0.2"]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.content.sieve.capabilities import FILTER, POLICY
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.facts import InAddressBook, InGroup, Listed, WordListNamed
from posthouse.content.sieve.message import Attachment
from posthouse.content.sieve.specs import MATCH_TAGS, Bound, Spec, TagSpec, TestSpec
from posthouse.content.sieve.state import State, TestOp
from posthouse.content.sieve.text import Text, constants, values
from posthouse.content.wordlists import WordList
from posthouse.formats import headers
from posthouse.formats.addresslist import spelled
from posthouse.model.networks import Networks, parse_network, within


def _direction(bound: Bound, _compiler: Compiler) -> TestOp:
    wanted = bound.strings(0).values[0].lower()
    if wanted not in ("in", "out"):
        raise bound.error('direction is "in" or "out"', bound.strings(0).place)
    return lambda state: state.facts.direction == wanted


def _authenticated(bound: Bound, compiler: Compiler) -> TestOp:
    if not bound.positional:
        return lambda state: bool(state.facts.account)
    matches = compiler.matcher(bound, bound.strings(0)).strings
    return lambda state: bool(state.facts.account) and matches(state, (state.facts.account,))


def _client(bound: Bound, compiler: Compiler) -> TestOp:
    if "network" in bound.tags:
        return _client_network(bound, compiler)
    matches = compiler.matcher(bound, bound.strings(0)).strings
    if "host" in bound.tags:
        return lambda state: matches(state, (state.facts.client_host,))
    if "helo" in bound.tags:
        return lambda state: matches(state, (state.facts.helo,))
    return lambda state: matches(state, (state.facts.client_address,))


def _client_network(bound: Bound, compiler: Compiler) -> TestOp:
    strings = bound.strings(0)
    fixed = constants(compiler.texts(strings))
    if fixed is None:
        raise bound.error("networks must not have variables in them", strings.place)
    for word in fixed:
        try:
            parse_network(word)
        except ValueError:
            raise bound.error(f"{word!r} is not a network such as 192.0.2.0/24", strings.place) from None
    networks = Networks(fixed)
    return lambda state: state.facts.client_address in networks


def _wordlist(bound: Bound, compiler: Compiler) -> TestOp:
    names = compiler.texts(bound.strings(0))
    least = bound.tag_number("atleast")
    subject, body = "subject" in bound.tags, "body" in bound.tags
    both = subject == body

    def run(state: State) -> bool:
        for name in values(names, state):
            words = state.ask(WordListNamed(name), object)
            if not isinstance(words, WordList):
                continue
            texts = [*state.fields("subject")] if both or subject else []
            octets = "\n".join(texts).encode("utf-8", "replace")
            if both or body:
                octets += b"\n" + state.message.plain_text.octets
            state.step(1 + len(octets) // 1024)
            hits = words.hits(octets)
            if hits.weight >= (1 if least is None else least):
                state.hit = f"{hits.weight} points: {', '.join(hits.words[:10])}"
                return True
        return False

    return run


_ATTACHMENT_VALUES: dict[str, Callable[[Attachment], Sequence[str]]] = {
    "": lambda attachment: (attachment.name,),
    "filename": lambda attachment: (attachment.name,),
    "declared": lambda attachment: (attachment.declared,),
    "detected": lambda attachment: (attachment.detected,),
    "member": lambda attachment: attachment.members,
}


def attachment_test(bound: Bound, compiler: Compiler) -> Callable[[State], list[Attachment]]:
    """Which attachments match; shared with the action ``stripattachments``. Raises ScriptError."""
    if "size" in bound.tags:
        over = bound.tag_number("over")
        if over is None or bound.positional:
            raise bound.error("attachment :size takes :over and a number")
        return lambda state: [each for each in state.message.attachments if each.size_bytes > over]
    if not bound.positional:
        return lambda state: list(state.message.attachments)
    matches = compiler.matcher(bound, bound.strings(0)).strings
    of = _ATTACHMENT_VALUES[bound.one_of("filename", "declared", "detected", "member")]
    if "count" in bound.tags:
        return lambda state: (
            list(state.message.attachments) if matches(state, [each.name for each in state.message.attachments]) else []
        )
    return lambda state: [each for each in state.message.attachments if matches(state, of(each))]


def _attachment(bound: Bound, compiler: Compiler) -> TestOp:
    found = attachment_test(bound, compiler)
    if "count" in bound.tags:
        matches = compiler.matcher(bound, bound.strings(0)).strings
        return lambda state: matches(state, [each.name for each in state.message.attachments])
    return lambda state: bool(found(state))


def _score(bound: Bound, _compiler: Compiler) -> TestOp:
    least, below = bound.tag_number("atleast"), bound.tag_number("below")
    if least is None and below is None:
        raise bound.error("score needs :atleast or :below")

    def run(state: State) -> bool:
        score = state.score
        if score is None:
            return False
        state.hit = f"{score:g}"
        return score >= least if least is not None else score < (below or 0)

    return run


def _authresult(bound: Bound, compiler: Compiler) -> TestOp:
    method = bound.one_of("spf", "dkim", "dmarc")
    if not method:
        raise bound.error("authresult needs :spf, :dkim or :dmarc")
    matches = compiler.matcher(bound, bound.strings(0)).strings
    return lambda state: matches(state, (getattr(state.facts, method) or "none",))


def _who(bound: Bound) -> Callable[[State], Sequence[str]]:
    """Senders of envelope and header, or the recipients."""
    return _recipients if "recipient" in bound.tags else _senders


def _recipients(state: State) -> Sequence[str]:
    facts = state.facts
    return (facts.recipient,) if facts.recipient else facts.recipients


def _senders(state: State) -> Sequence[str]:
    found = [state.facts.sender] if state.facts.sender else []
    for value in state.message.raw_fields("from"):
        found += [spelled(local, domain) for _, local, domain in headers.addresses(value)]
    return found


def _indomain(bound: Bound, compiler: Compiler) -> TestOp:
    who, domains = _who(bound), compiler.texts(bound.strings(0))

    def run(state: State) -> bool:
        wanted = values(domains, state)
        for address in who(state):
            if within(address.rpartition("@")[2], wanted):
                state.hit = address
                return True
        return False

    return run


def _ingroup(bound: Bound, compiler: Compiler) -> TestOp:
    who, groups = _who(bound), compiler.texts(bound.strings(0))
    return lambda state: any(
        state.ask(InGroup(address.lower(), group), bool) for group in values(groups, state) for address in who(state)
    )


def _inaddressbook(bound: Bound, compiler: Compiler) -> TestOp:
    who, books = _who(bound), compiler.texts(bound.strings(0))
    return lambda state: any(
        state.ask(InAddressBook(address.lower(), book), bool) for book in values(books, state) for address in who(state)
    )


def _dnsbl(bound: Bound, compiler: Compiler) -> TestOp:
    zones = compiler.texts(bound.strings(0))
    given = bound.tag_strings("code")
    codes: list[Text] = compiler.texts(given) if given else []

    def run(state: State) -> bool:
        wanted = set(values(codes, state))
        for zone in values(zones, state):
            found = state.ask(Listed(zone.lower(), state.facts.client_address), tuple)
            if found and (not wanted or wanted & set(found)):
                state.hit = f"{state.facts.client_address} in {zone}: {', '.join(found)}"
                return True
        return False

    return run


_WHO = (TagSpec("sender", group="who"), TagSpec("recipient", group="who"))
ATTACHMENT_TAGS = (
    *MATCH_TAGS,
    TagSpec("filename", group="what"),
    TagSpec("declared", group="what"),
    TagSpec("detected", group="what"),
    TagSpec("member", group="what"),
    TagSpec("size", group="what"),
    TagSpec("over", "number"),
)
_CLIENT_TAGS = (
    *MATCH_TAGS,
    TagSpec("address", group="what"),
    TagSpec("host", group="what"),
    TagSpec("helo", group="what"),
    TagSpec("network", group="what"),
)
_METHODS = tuple(TagSpec(name, group="method") for name in ("spf", "dkim", "dmarc"))
_BOUNDS = (TagSpec("atleast", "number", group="bound"), TagSpec("below", "number", group="bound"))
_WORDS = (TagSpec("atleast", "number"), TagSpec("subject", group="where"), TagSpec("body", group="where"))
_OURS = (FILTER,)
TESTS = (
    TestSpec(Spec("direction", ("string",), extension=_OURS), _direction),
    TestSpec(Spec("authenticated", ("strings",), MATCH_TAGS, _OURS, optional_first=True), _authenticated),
    TestSpec(Spec("client", ("strings",), _CLIENT_TAGS, _OURS), _client),
    TestSpec(Spec("wordlist", ("strings",), _WORDS, _OURS), _wordlist),
    TestSpec(Spec("attachment", ("strings",), ATTACHMENT_TAGS, _OURS, optional_first=True), _attachment),
    TestSpec(Spec("score", (), _BOUNDS, _OURS), _score),
    TestSpec(Spec("authresult", ("strings",), (*MATCH_TAGS, *_METHODS), _OURS), _authresult),
    TestSpec(Spec("indomain", ("strings",), _WHO, _OURS), _indomain),
    TestSpec(Spec("ingroup", ("strings",), _WHO, _OURS), _ingroup),
    TestSpec(Spec("inaddressbook", ("strings",), _WHO, _OURS), _inaddressbook),
    TestSpec(Spec("dnsbl", ("strings",), (TagSpec("code", "strings"),), (POLICY,)), _dnsbl),
)
