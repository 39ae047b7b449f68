"""Every condition that a filter can have, on all three levels of a running node, each once true and once false (CON-1).

The filters are made by operations, from phrases or the structured form. Each adds a field that names it, and goes on; so what
has reached the mailbox tells which of them held.
"""

from __future__ import annotations

import base64
import email
import quopri
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec
import pytest

from posthouse.content.filters import Document, Filter, Group, write
from posthouse.content.filters.model import AddHeader, Condition, Operator, OtherField, TextField
from posthouse.content.filters.phrases import conditions_of
from support import archives
from support.clamav import EICAR, Clamd
from support.clients import ImapWire, proxy_v1
from support.knot import Knot
from support.node import PASSWORD, Node, running, until
from support.policy import world
from support.policy.case import JANE, OMAR, Case
from support.policy.sending import greeting, once

pytestmark = pytest.mark.timeout(240)
UNA = "una@example.test"
LEVELS = {"system": "--system", "domain": "--domain example.test", "user": f"--user {JANE}"}
AS_UNA = {"login": UNA, "sender": UNA}
OTHER_CLIENT = {"client": "192.0.2.40", "helo": "outside.elsewhere.test"}
ZIP, OTHER_ZIP = archives.zipped({"inside/secret-plan.txt": b"x"}), archives.zipped({"b": b"x"})
DKIM_FAIL = (("DKIM-Signature", "v=1; a=ed25519-sha256; d=signed.test; s=s1; h=from; bh=AAAA; b=AAAA"),)


@dataclass(frozen=True)
class Row:
    """``when`` is a phrase or a group; ``yes`` makes a message for which it holds, ``no`` one for which not, if any."""

    name: str
    when: str | Group
    yes: dict[str, Any] = field(default_factory=dict)
    no: dict[str, Any] | None = field(default_factory=dict)
    levels: tuple[str, ...] = ("system", "domain", "user")

    @property
    def conditions(self) -> tuple[Condition | Group, ...]:
        return (self.when,) if isinstance(self.when, Group) else conditions_of(self.when)

    def case(self, which: str) -> Case:
        given = dict(self.yes if which == "yes" else self.no or {})
        fields = (("X-Case", self.name), *given.pop("fields", ()))
        content = given.pop("content", b"").replace(b"\r\nMIME-Version", f"\r\nX-Case: {self.name}\r\nMIME-Version".encode(), 1)
        return Case(f"{self.name}-{which}", (), fields=fields, content=content, **given)

    @property
    def cases(self) -> list[Case]:
        return [self.case("yes")] if self.no is None else [self.case("yes"), self.case("no")]


def in_charset(charset: str, text: str) -> dict[str, Any]:
    """A message whose text is in this charset."""
    encode, encoding = (
        (quopri.encodestring, "quoted-printable") if charset == "windows-1252" else (base64.encodebytes, "base64")
    )
    kind = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return {"content": HEAD + kind.encode() + encode(f"{text}\n".encode(charset)).replace(b"\n", b"\r\n")}


HEAD = (
    b"From: a@elsewhere.test\r\nTo: jane@example.test\r\nSubject: x\r\nMessage-ID: <$NAME@table.test>\r\nMIME-Version: 1.0\r\n"
)
HTML = {"content": HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>hidden <b>off</b>er &auml;</p>\r\n"}
CHARSETS = {
    "utf-8": "straße und wald", "iso-8859-1": "größe und maß", "windows-1252": "“smart” größe", "koi8-r": "привет",
    "iso-2022-jp": "こんにちは世界", "shift_jis": "東京の天気", "gb18030": "你好世界", "big5": "臺灣天氣",
    "utf-16": "zwei bytes ß",
}  # fmt: skip
SUBJECTS = (
    ("is", "'weekly report'", "Weekly Report", "weekly reports"),
    ("contains", "'ly rep'", "Weekly Report", "Weekly news"),
    ("starts", "weekly", "Weekly Report", "The weekly"),
    ("ends", "report", "Weekly Report", "Reporter"),
    ("matches", "'w*k?y report'", "Weekly Report", "Wky report"),
    ("regex", "'^(weekly|daily) repo.t$'", "Weekly Report", "Hourly report"),
    ("greater", "m", "Weekly", "Daily"),
    ("less", "m", "Daily", "Weekly"),
)
GUARDED = Group(
    "any",
    (
        Condition("header", values=("1",), header="X-A"),
        Group(
            "none", (Condition("header", "exists", header="X-B"), Group("all", conditions_of("subject is never; size less 1")))
        ),
    ),
)
LETTER, FOR_LIST = HTML, {"content": HTML["content"].replace(b"jane@example", b"list@example")}
POINTS = {points: {"fields": (("X-Points", points),)} for points in ("20", "40")}
INFECTED = {"attachments": (("eicar.com", EICAR), ("ok.txt", b"fine"))}
BIG = {"body": ("y" * 70 + "\r\n") * 400}
ONE, TWO = {"attachments": (("a", b"a"),)}, {"attachments": (("a", b"a"), ("b", b"b"))}
SITE = ("system", "domain")
"""Users may not ask block lists."""
NOT_YET: tuple[str, ...] = ("domain", "user")
"""Levels behind the scanners."""


def having(**fields: str) -> dict[str, Any]:
    return {"fields": tuple((name.replace("_", "-"), value) for name, value in fields.items())}


def attached(name: str, octets: bytes = b"x") -> dict[str, Any]:
    return {"attachments": ((name, octets),)}


ROWS = [
    Row("sender", "sender matches *ender@elsewhere.test", {"sender": "sender@elsewhere.test"}, {"sender": "x@elsewhere.test"}),
    Row("recipient", "recipient is jane+tag@example.test", {"rcpt": ("jane+tag@example.test",)}),
    Row("from", "from is boss@elsewhere.test", {"author": "The Boss <boss@elsewhere.test>"}),
    Row("to", "to is jane@example.test", LETTER, FOR_LIST),
    Row("cc", "cc contains lists.test", having(Cc="L <all@lists.test>")),
    Row("to-or-cc", "to_or_cc is all@lists.test", having(Cc="all@lists.test"), having(Reply_To="all@lists.test")),
    Row("header", "header X-Origin contains mars", having(X_Origin="From Mars"), having(X_Origin="Venus")),
    Row("exists", "header X-There exists", having(X_There="")),
    *(Row(f"subject-{op}", f"subject {op} {value}", {"subject": yes}, {"subject": no}) for op, value, yes, no in SUBJECTS),
    *(Row(f"not-{op}", f"not subject {op} {value}", {"subject": no}, {"subject": yes}) for op, value, yes, no in SUBJECTS),
    *(Row(f"body-{name}", f"body contains {text!r}", in_charset(name, text), in_charset(name, text[::-1]))
      for name, text in CHARSETS.items()),
    Row("body-html", "body contains 'hidden offer ä'", HTML),
    Row("body-regex", "body regex '[0-9]{4} [0-9]{4}'", {"body": "4111 1111\r\n"}, {"body": "4111 11\r\n"}),
    Row("name", "attachment_name matches *.scr", attached("fun.SCR"), attached("scr.txt")),
    Row("declared", "attachment_type is application/octet-stream", attached("a")),
    Row("detected", "attachment_content is application/zip", attached("a.txt", ZIP), attached("a.zip")),
    Row("member", "archive_member contains secret-plan", attached("a.zip", ZIP), attached("secret-plan.zip", OTHER_ZIP)),
    Row("count", "attachment_count greater 1", TWO, ONE),
    Row("count-is", "attachment_count is 1", ONE, TWO),
    Row("count-less", "attachment_count less 2", ONE, TWO),
    Row("attachment-size", "attachment_size greater 2K", attached("a", b"a" * 3000), ONE),
    Row("size", "size greater 20K", BIG),
    Row("size-less", "size less 20K", {}, BIG),
    Row("words", "word_list at_least 30 secrets", {"body": "About Project X.\r\n"}, {"body": "About project y.\r\n"}),
    Row("address", "client_address starts 192.0.2.1", {}, OTHER_CLIENT),
    Row("address6", "client_address is 2001:db8::10", {"client": "2001:db8::10", "helo": "six.elsewhere.test"}),
    Row("network", "client_network is 192.0.2.8/29", {}, OTHER_CLIENT),
    Row("host", "client_host is good.elsewhere.test", {}, OTHER_CLIENT),
    Row("helo", "helo contains OTHER", {"client": "192.0.2.11", "helo": "other.elsewhere.test"}),
    Row("account", f"account is {UNA}", AS_UNA),
    Row("authenticated", "authenticated", AS_UNA),
    Row("in", "direction is in", {}, AS_UNA),
    Row("out", "direction is out", AS_UNA),
    Row("spf", "spf is softfail", {"sender": "x@softfail.test"}),
    Row("dkim", "dkim is fail", {"fields": DKIM_FAIL}),
    Row("dmarc", "dmarc is pass", {"sender": "x@friend.test"}),
    Row("dnsbl", "dnsbl tag.lists.test", {"client": "192.0.2.78", "helo": "tagged.elsewhere.test"}, levels=SITE),
    Row("date", "date greater 2026-01-01", no=None),
    Row("date-not", "not date greater 2999-01-01", no=None),
    Row("time", "time less 24:00:00", no=None),
    Row("time-not", "not time less 00:00:00", no=None),
    Row("weekday", "weekday regex '^[0-6]$'", no=None),
    Row("sender-domain", "sender_domain is softfail.test", {"sender": "x@softfail.test"}),
    Row("recipient-domain", "recipient_domain is example.test", {}, {"rcpt": (OMAR,)}),
    Row("sender-group", "sender_group is staff@example.test", AS_UNA),
    Row("recipient-group", "recipient_group is everybody@example.test", {}, {"rcpt": ("jane+tag@example.test",)}),
    Row("sender-book", "sender_address_book is directory", AS_UNA),
    Row("recipient-book", "recipient_address_book is directory", {}, {"rcpt": ("jane+tag@example.test",)}),
    Row("score", "score at_least 30", POINTS["40"], POINTS["20"], NOT_YET),
    Row("score-less", "score less 30", POINTS["20"], POINTS["40"], NOT_YET),
    Row("virus", "virus is replaced", INFECTED, levels=NOT_YET),
    Row("clean", "virus is clean", {}, INFECTED, NOT_YET),
    Row("nested-first", GUARDED, having(X_A="1", X_B="1"), having(X_A="2", X_B="1")),
    Row("nested-none", GUARDED, {}, having(X_B="1")),
    Row("all", "header X-A is 1; header X-B is 2", having(X_A="1", X_B="2"), having(X_A="1", X_B="1")),
]  # fmt: skip
CASES = [case for row in ROWS for case in row.cases]
ORDER = (  # name, switches: the first is off, the second goes on, the third stops, the fourth is never asked
    ("order-off", "--off"), ("order-on", "--go-on"), ("order-stop", ""), ("order-late", "--go-on")
)  # fmt: skip


def added(level: str, name: str) -> AddHeader:
    return AddHeader(f"X-{level.title()}-Hit", name)


def script(level: str) -> str:
    """The filters of the table as Sieve, as an operation or a web form would write it."""
    made = []
    for row in (each for each in ROWS if level in each.levels):
        guarded = Group("all", (Condition("header", values=(row.name,), header="X-Case"), *row.conditions))
        made.append(Filter(row.name, guarded, (added(level, row.name),), stop=False))
    return write(Document(tuple(made)))


def commands() -> list[str]:
    """Filters behind those of the scripts, made by operations: from phrases, and the structured form."""
    lines = []
    for level, whose in LEVELS.items():
        for name, switches in ORDER:
            do = shlex.quote(f"add_header X-{level.title()}-Hit {name}")
            lines.append(f"filter add {name} {whose} {switches} --when 'header X-Case is order' --do {do}")
        slow = Group("all", conditions_of("header X-Case is slow; body regex '(a+)+(a|aa)*$b'"))
        definition = msgspec.json.encode(Filter("", slow, (added(level, "slow"),), stop=False)).decode()
        lines.append(f"filter add slow {whose} --definition {shlex.quote(definition)}")
    return lines


SETTINGS = {
    "smtp.proxy_networks": "127.0.0.1/32",
    "smtp.tarpit_s": "0",
    "antispam.engines": '""',
    "outbreak.enabled": "off",
    "mailauth.dmarc": "mark",
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("conditions")
    with (
        Clamd(folder / "clamd") as clamd,
        Knot(folder / "knot", world.RECORDS) as knot,
        running(folder / "node", services=("smtp", "submission", "imap"), workers=1, extra=knot.toml) as started,
    ):
        settings = SETTINGS | {"antivirus.engines": f"{clamd.tcp}?name=clamd&action=strip"}
        lines = [f"user add {UNA} --password {PASSWORD!r}", f"alias add staff@example.test {UNA} {OMAR}"]
        lines += [f"alias add everybody@example.test staff@example.test {JANE}", "wordlist add secrets 'project x' --weight 30"]
        lines += ["dnsbl add tag.lists.test --action tag --points 1"]
        lines += [
            f"filter add points-{n} --system --go-on --when 'header X-Points is {n}' --do 'change_score {n}'" for n in POINTS
        ]
        lines += [f"setting set {key} {value}" for key, value in settings.items()]
        for level, whose in LEVELS.items():
            started.run("filter", "load", *whose.split(), stdin=script(level))
        done = started.run("shell", stdin="\n".join((*lines, *commands(), "setting set smtp.hostname ready.example.test")))
        assert not done.stderr, done.stderr
        until(lambda: greeting(started) == "ready.example.test", 60, 0.05)
        yield started


def told(node: Node) -> dict[str, dict[str, list[str]]]:
    """By Message-ID: the filters of each level that held."""
    found = {}
    for who in (JANE, OMAR):
        with ImapWire(node.ports["imap"], first=proxy_v1("127.0.0.1")) as reader:
            reader.login(who)
            for mailbox in ("INBOX", "Junk Mail"):
                reader.good(f'EXAMINE "{mailbox}"')
                for answer in reader.good("UID FETCH 1:* (BODY.PEEK[HEADER])").of("FETCH"):
                    head = email.message_from_bytes(answer.partition(b"\r\n")[2])
                    found[head["Message-ID"]] = {level: head.get_all(f"X-{level.title()}-Hit", []) for level in LEVELS}
    return found


@pytest.mark.spec("CON-1")
def test_each_condition_holds_where_it_should_on_every_level(node: Node) -> None:
    order = Case("order", (), fields=(("X-Case", "order"),))
    slow = Case("slow", (), fields=(("X-Case", "slow"),), body=("a" * 70 + "\r\n") * 1000)
    for case in (*CASES, order):
        assert (case.name, *once(node, case))[:2] == (case.name, 250)
    began = time.monotonic()
    assert once(node, slow)[0] == 250
    assert time.monotonic() - began < 20, "no input may hang an expression"
    found = told(node)
    wrong = []
    for row in ROWS:
        for case in row.cases:
            expected = {level: [row.name] if case.name.endswith("-yes") and level in row.levels else [] for level in LEVELS}
            if (hits := found.get(case.message_id)) != expected:
                wrong.append(f"{case.name}: {hits}")
    assert not wrong, "\n".join(wrong)
    assert found[order.message_id] == {level: ["order-stop", "order-on"] for level in LEVELS}
    assert found[slow.message_id] == {level: [] for level in LEVELS}


def test_filters_are_listed_with_name_place_and_switch_and_can_be_switched(node: Node) -> None:
    for whose in LEVELS.values():
        rows = {row["name"]: row for row in node.json("filter", "list", *whose.split())}
        assert [rows[name]["on"] for name, _ in ORDER] == [False, True, True, True]
        assert rows["order-stop"]["place"] == rows["order-on"]["place"] + 1
        assert "stop" in rows["order-stop"]["actions"]
        assert rows["nested-first"]["conditions"].startswith("all: header X-Case is nested-first; (any: ")
    case = Case("switched", (), fields=(("X-Case", "order"),))
    node.run("filter", "enable", "order-off", "--user", JANE)
    node.run("filter", "disable", "order-on", "--user", JANE)

    def hits() -> list[str]:
        once(node, case)
        return told(node)[case.message_id]["user"]

    until(lambda: hits() == ["order-off"], 30)


def test_every_field_and_operator_of_the_language_is_in_the_table() -> None:
    def conditions(group: Group) -> Iterator[Condition]:
        for each in group.conditions:
            if isinstance(each, Group):
                yield from conditions(each)
            else:
                yield each

    used = [each for row in ROWS for each in conditions(Group("all", row.conditions))]
    assert {each.field for each in used} == {*get_args(TextField), *get_args(OtherField)}
    assert {each.operator for each in used} == set(get_args(Operator))
    assert any(each.negate for each in used)
