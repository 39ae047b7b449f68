"""BIMI: whose picture may be shown, what a record says, and that nothing in it can break out of a field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.formats.mime import summarise
from posthouse.mailauth import bimi
from posthouse.mailauth.dmarc import TreeWalks
from posthouse.mailauth.message import Message
from posthouse.model.mail_authentication import BimiResult, DmarcResult

LOGO, PROOF = "https://brand.test/logo.svg", "https://brand.test/logo.pem"
RECORD = f"v=BIMI1; l={LOGO}; a={PROOF}"
STRICT = "v=DMARC1; p=reject"


def message(*fields: str) -> Message:
    content = ("".join(f"{field}\r\n" for field in fields) + "From: a@brand.test\r\n\r\nx\r\n").encode()
    return Message.of(content, summarise(content))


async def judged(
    records: dict[str, str], *, author: str = "brand.test", result: str = "pass", fields: tuple[str, ...] = ()
) -> BimiResult:
    resolver = MemoryResolver({(name, "TXT"): [text] for name, text in records.items()})
    dmarc = DmarcResult("pass" if result == "pass" else "fail", author)
    return await bimi.evaluate(message(*fields), dmarc, resolver, TreeWalks(resolver))


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        ("v=DMARC1; p=reject", "pass"),
        ("v=DMARC1; p=quarantine", "pass"),
        ("v=DMARC1; p=quarantine; pct=100", "pass"),
        ("v=DMARC1; p=quarantine; pct=50", "skipped"),
        ("v=DMARC1; p=reject; sp=none", "skipped"),
        ("v=DMARC1; p=reject; t=y", "skipped"),
        ("v=DMARC1; p=none", "skipped"),
    ],
)
async def test_a_picture_needs_a_strict_policy(policy: str, result: str) -> None:
    found = await judged({"_dmarc.brand.test": policy, "default._bimi.brand.test": RECORD})
    assert found.result == result
    assert (found.location, found.authority) == ((LOGO, PROOF) if result == "pass" else ("", ""))


async def test_mail_that_fails_dmarc_has_no_picture() -> None:
    assert (await judged({"_dmarc.brand.test": STRICT, "default._bimi.brand.test": RECORD}, result="fail")).result == "skipped"


async def test_a_subdomain_has_its_own_picture_or_that_of_its_organization() -> None:
    own = RECORD.replace("logo.svg", "news.svg")
    records = {"_dmarc.brand.test": STRICT, "default._bimi.brand.test": RECORD}
    assert (await judged(records, author="news.brand.test")).location == LOGO
    found = await judged(records | {"default._bimi.news.brand.test": own}, author="news.brand.test")
    assert found.location.endswith("news.svg")
    mild = records | {"_dmarc.news.brand.test": "v=DMARC1; p=none"}
    assert (await judged(mild, author="news.brand.test")).result == "skipped"


async def test_the_selector_is_the_senders() -> None:
    records = {"_dmarc.brand.test": STRICT, "spring._bimi.brand.test": RECORD}
    found = await judged(records, fields=("BIMI-Selector: v=BIMI1; s=Spring",))
    assert (found.result, found.selector) == ("pass", "spring")
    assert (await judged(records)).result == "none"
    for field in ("v=BIMI1; s=a.b", "s=spring", "v=BIMI1; s=", "v=BIMI1; s=" + "x" * 64):
        assert (await judged(records, fields=(f"BIMI-Selector: {field}",))).selector == "default"


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=BIMI1; l=; a=", "declined"),
        ("v=BIMI1", "declined"),
        (f"v=BIMI1; l={LOGO}", "pass"),
        (f"v=BIMI1; a={PROOF}", "fail"),
        ("v=BIMI1; l=http://brand.test/logo.svg", "fail"),
        ("v=BIMI1; l=javascript:alert(1)", "fail"),
        ("v=BIMI1; l=https://user@brand.test/a b.svg", "fail"),
        (f"v=BIMI1; l={LOGO}\r\nX-Evil: 1", "fail"),
        (f"v=BIMI1; l={LOGO}{'x' * 1100}", "fail"),
        ("v=BIMI2; l=x", "none"),
        ("hello", "none"),
    ],
)
async def test_what_a_record_may_say(record: str, result: str) -> None:
    assert (await judged({"_dmarc.brand.test": STRICT, "default._bimi.brand.test": record})).result == result


async def test_without_dns_no_picture_is_named() -> None:
    resolver = MemoryResolver({("_dmarc.brand.test", "TXT"): [STRICT]})
    walks = TreeWalks(resolver)
    await walks.of("brand.test")
    resolver.records["default._bimi.brand.test", "FAIL"] = ("",)
    assert (await bimi.evaluate(message(), DmarcResult("pass", "brand.test"), resolver, walks)).result == "temperror"


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_record_breaks_out_of_its_field(text: str, uri: str) -> None:
    for record in (f"v=BIMI1;{text}", f"v=BIMI1; l=https://{uri}; a={uri}"):
        found = bimi.read([record], "brand.test", "default")
        value = bimi.location_field(found)
        assert found.result != "pass" or (value.isascii() and value.isprintable())
