"""filter and wordlist operations: what is kept is readable Sieve, what is tried does nothing (CON-1 to CON-4)."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from posthouse.admin import registry, rendering
from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context, NotAllowed
from posthouse.base.errors import AlreadyExists, BadValue, NotFound
from posthouse.content.sieve import ScriptError
from posthouse.model.address import Address
from posthouse.model.mailbox import NewMessage
from posthouse.model.script import SYSTEM, ScriptOwner
from support import archives, composing
from support.operations import populated

JANE = "--user jane@example.test"
MAIL = "From: Lena <lena@elsewhere.test>\nTo: jane@example.test\nSubject: weekly news\n\nStrictly confidential offer.\n"


async def run(context: Context, line: str, **given: str) -> Any:
    """As at the shell, quotes and all."""
    return rendering.plain((await registry.run(context, shlex.split(line), given=given)).result)


async def owner(context: Context, text: str = "jane@example.test") -> ScriptOwner:
    account = await context.directory.account(Address.parse(text))
    assert account is not None
    return ScriptOwner("user", account.account_id)


async def script(context: Context, whose: ScriptOwner) -> str:
    (active,) = await context.scripts.active(whose)
    return active.text


async def names(context: Context, whose: str = JANE) -> list[str]:
    return [row["name"] for row in await run(context, f"filter list {whose}")]


async def test_a_filter_becomes_readable_sieve_in_an_active_script() -> None:
    context = await populated()
    row = await run(
        context,
        f"filter add News {JANE} --match any --when 'subject contains news; from is a@b.test' --do 'move_to News create'",
    )
    assert row == {
        "place": 1,
        "name": "News",
        "on": True,
        "conditions": "any: subject contains news; from is a@b.test",
        "actions": "move_to News create; stop",
        "script": "filters",
    }
    assert (
        await script(context, await owner(context))
        == """\
require ["fileinto", "mailbox"];

# filter "News"
if anyof (
    header :contains "Subject" "news",
    address :is "From" "a@b.test"
) {
    fileinto :create "News";
    stop;
}
"""
    )


async def test_filters_are_moved_switched_shown_and_deleted() -> None:
    context = await populated()
    for name in ("a", "b", "c"):
        await run(context, f"filter add {name} {JANE} --when 'subject is {name}' --do keep --go-on")
    await run(context, f"filter move c 1 {JANE}")
    assert await names(context) == ["c", "a", "b"]
    await run(context, f"filter move c 99 {JANE}")
    assert await names(context) == ["a", "b", "c"]
    rows = await run(context, f"filter disable b {JANE}")
    assert [row["on"] for row in rows] == [True, False, True]
    assert '# filter "b" off' in await script(context, await owner(context))
    rows = await run(context, f"filter enable b {JANE}")
    assert all(row["on"] for row in rows)
    shown = await run(context, f"filter show b {JANE}")
    assert shown["sieve"] == '# filter "b"\nif header :is "Subject" "b" {\n    keep;\n}'
    await run(context, f"filter delete b {JANE}")
    again = f"filter add b {JANE} --definition '{shown['definition']}'"
    assert (await run(context, again))["actions"] == "keep"
    assert await names(context) == ["a", "c", "b"]
    whole = await run(context, f"filter show {JANE}")
    assert whole["sieve"] == await script(context, await owner(context))
    for wrong in (f"filter show x {JANE}", f"filter delete x {JANE}", f"filter move x 1 {JANE}"):
        with pytest.raises(NotFound):
            await run(context, wrong)
    with pytest.raises(AlreadyExists):
        await run(context, f"filter add a {JANE} --do keep")


async def test_each_level_has_its_own_filters() -> None:
    context = await populated()
    await run(context, "filter add spam --system --when 'score at_least 300' --do 'redirect judge@example.test'")
    await run(context, "filter add big --domain example.test --when 'size greater 20M' --do 'reject \"Too big\"'")
    await run(context, f"filter add mine {JANE} --do keep")
    assert [await names(context, each) for each in ("--system", "--domain example.test", JANE)] == [["spam"], ["big"], ["mine"]]
    assert 'redirect "judge@example.test";' in await script(context, SYSTEM)
    with pytest.raises(ScriptError, match="there is no extension"):
        await run(context, f"filter add x {JANE} --do 'quarantine mine'")
    assert await names(context) == ["mine"]


@pytest.mark.parametrize("whose", ["", "--system --domain example.test", f"--system {JANE}"])
async def test_whose_must_be_said_once(whose: str) -> None:
    with pytest.raises(UsageError, match="whose filters"):
        await run(await populated(), f"filter list {whose}")


@pytest.mark.parametrize("whose", ["--domain nobody.test", "--user nobody@example.test"])
async def test_whose_must_exist(whose: str) -> None:
    with pytest.raises(NotFound):
        await run(await populated(), f"filter list {whose}")


async def test_domain_administrators_touch_their_domain_only() -> None:
    context = (await populated()).asked_by("omar@example.test", "domain-administrator", "test")
    await run(context, f"filter add a {JANE} --do keep")
    await run(context, "filter add a --domain example.test --do keep")
    for whose in ("--system", "--domain example.org", "--user mei@example.org", "--user ada@example.test"):
        with pytest.raises(NotAllowed):
            await run(context, f"filter add b {whose} --do keep")
    with pytest.raises(NotAllowed):
        await run(context, "filter list --system")
    with pytest.raises(NotAllowed):
        await run(context, "wordlist add x y")
    reader = (await populated()).asked_by("x@example.test", "help-desk", "test")
    assert await run(reader, f"filter list {JANE}") == []
    with pytest.raises(NotAllowed):
        await run(reader, f"filter add a {JANE} --do keep")


@pytest.mark.parametrize(
    "words", ["--do fly", "--when 'colour is red' --do keep", "", "--definition nonsense", "--definition '{\"name\": 5}'"]
)
async def test_what_is_no_filter_is_refused(words: str) -> None:
    context = await populated()
    with pytest.raises(BadValue):
        await run(context, f"filter add x {JANE} {words} --go-on")
    assert await names(context) == []


async def test_a_script_of_the_users_own_is_kept_around_the_filters() -> None:
    context = await populated()
    mine = await owner(context)
    await context.scripts_writer.put_script(mine, "uploaded", 'require "variables";\n# mine\nset "x" "y";\n', 1.0)
    await context.scripts_writer.activate(mine, "uploaded")
    row = await run(context, f"filter add News {JANE} --when 'subject contains news' --do discard")
    assert (row["place"], row["script"]) == (2, "uploaded")
    rows = await run(context, f"filter list {JANE}")
    assert rows[0]["conditions"] == "(foreign: 2 lines of Sieve)"
    assert await script(context, mine) == (
        'require "variables";\n\n# mine\nset "x" "y";\n\n# filter "News"\n'
        'if header :contains "Subject" "news" {\n    discard;\n    stop;\n}\n'
    )


async def test_a_whole_script_is_loaded_and_checked() -> None:
    context = await populated()
    rows = await run(context, "filter load --system", text='# filter "a"\nif true {\n    keep;\n}\n\nif false { discard; }\n')
    assert [(row["name"], row["conditions"]) for row in rows] == [("a", "always"), ("", "(foreign: 1 lines of Sieve)")]
    with pytest.raises(ScriptError, match="line 1, column 1"):
        await run(context, "filter load --system", text="nonsense;")
    assert await names(context, "--system") == ["a", ""]


async def test_a_trial_tells_what_would_happen_and_why_and_does_nothing() -> None:
    context = await populated()
    await run(context, f"filter add News {JANE} --when 'subject contains olds weekly' --do 'move_to News; set_flags $x'")
    (trial,) = await run(context, f"filter test {JANE}", message=MAIL)
    assert trial["actions"] == ["file into mailbox=News (line 5)"]
    first = trial["steps"][0]
    assert (first["line"], first["outcome"], first["why"]) == (4, "true", "weekly news")
    done = await registry.run(context, shlex.split(f"filter test {JANE}"), given={"message": MAIL})
    text = rendering.people(done.result)
    assert 'line 4: header :contains "Subject" ["olds", "weekly"] -> true  (weekly news)' in text
    assert "It would:\n  file into mailbox=News" in text
    boxes = await context.store.mailboxes((await owner(context)).owner_id)
    assert "News" not in [box.name for box in boxes]


async def test_a_trial_sees_into_archives_as_the_path_does() -> None:
    context = await populated()
    await run(context, f"filter add Programs {JANE} --when 'archive_member matches *.exe' --do 'move_to News'")
    nested = archives.zipped({"in.tar": archives.tarred({"run.exe": archives.PROGRAM})})
    mail = composing.message(("papers.zip", nested)).decode()
    (trial,) = await run(context, f"filter test {JANE}", message=mail)
    assert any("mailbox=News" in action for action in trial["actions"])


async def test_a_trial_asks_what_the_house_knows() -> None:
    context = await populated()
    await run(context, "wordlist add house 'confidential offer' --weight 40")
    source = """require ["vnd.posthouse.filter", "mailbox", "duplicate", "special-use", "fileinto"];
if duplicate { discard; }
if allof (wordlist :atleast 40 "house", wordlist "corporate", not wordlist "none", mailboxexists "Sent",
          not mailboxexists "Nowhere", specialuse_exists "\\\\Junk", not ingroup :sender "x@example.test") {
    fileinto "Found";
}
"""
    await run(context, f"filter load {JANE}", text=source)
    (trial,) = await run(context, f"filter test {JANE}", message=MAIL)
    assert (trial["error"], trial["actions"]) == ("", ["file into mailbox=Found (line 5)"])


async def test_a_stored_message_can_be_tried() -> None:
    context = await populated()
    account_id = (await owner(context)).owner_id
    box = await context.store.mailbox(account_id, "INBOX")
    assert box is not None
    (uid,) = (await context.store.append(box.mailbox_id, [NewMessage(MAIL.replace("\n", "\r\n").encode())])).uids
    await run(context, f"filter add News {JANE} --when 'subject contains weekly' --do discard")
    (trial,) = await run(context, f"filter test INBOX:{uid} {JANE}")
    assert trial["actions"] == ["discard (line 3)"]
    with pytest.raises(NotFound):
        await run(context, f"filter test INBOX:99 {JANE}")
    with pytest.raises(UsageError):
        await run(context, f"filter test INBOX:{uid} --system")


async def test_facts_of_a_trial_can_be_given() -> None:
    context = await populated()
    conditions = "score at_least 50; client_network 192.0.2.0/24; sender is x@y.test; direction out; authenticated"
    await run(context, f"filter add all --domain example.test --when '{conditions}' --do discard")
    given = "--score 60 --client 192.0.2.7 --sender x@y.test --account jane@example.test"
    (trial,) = await run(context, f"filter test --domain example.test {given}", message=MAIL)
    assert trial["actions"][0].startswith("discard")
    (trial,) = await run(context, "filter test --domain example.test", message=MAIL)
    assert trial["actions"] == ["keep (nothing else was said)"]
    with pytest.raises(NotFound):
        await run(context, "filter test --system", message=MAIL)


async def test_word_lists_are_listed_changed_and_go_back_to_the_starter() -> None:
    context = await populated()
    rows = await run(context, "wordlist list")
    assert [(row["name"], row["starter"]) for row in rows] == [("corporate", True), ("objectionable", True)]
    await run(context, "wordlist add Corporate 'blue folder' layoff* --weight 33")
    shown = {row["words"]: row["weight"] for row in await run(context, "wordlist show corporate")}
    assert (shown["blue folder"], shown["layoff*"]) == (33, 33)
    assert "merger" in shown
    await run(context, "wordlist remove corporate merger")
    assert not (await run(context, "wordlist list"))[0]["starter"]
    with pytest.raises(NotFound):
        await run(context, "wordlist remove corporate merger")
    await run(context, "wordlist delete corporate")
    assert "merger" in {row["words"] for row in await run(context, "wordlist show corporate")}
    with pytest.raises(NotFound):
        await run(context, "wordlist delete corporate")
    assert (await run(context, "wordlist load mine", text="5 a\nb\n"))["entries"] == 2
    for wrong in ("wordlist add 'bad name' x", "wordlist add x ...", "wordlist add x 'a # b'"):
        with pytest.raises(BadValue):
            await run(context, wrong)
    with pytest.raises(NotFound):
        await run(context, "wordlist show none")
