"""The antivirus stage: each action, each failure, each policy, with engines in memory (CON-5, CON-14)."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from posthouse.backends.memory.scanner import MemoryScanner
from posthouse.model.account import Account
from posthouse.model.held import HeldMessage, HeldQuery
from posthouse.model.script import ScriptOwner
from posthouse.model.trace import TraceQuery
from support import archives
from support.composing import message
from support.house import House

VIRUS = b"a virus, as it were"
INFECTED = message(("notes.txt", b"harmless"), ("bill.exe", b"MZ" + VIRUS))


async def house(**scanners: MemoryScanner) -> tuple[House, Account]:
    made = House()
    made.scanners |= scanners or {"clamd": MemoryScanner({VIRUS: "Test.Virus"}, "clamd")}
    account = await made.add_user("jane@example.test")
    urls = {"clamd": "clamd://127.0.0.1:3310", "second": "icap://127.0.0.1/av?name=second"}
    made.set("antivirus.engines", tuple(urls[name] for name in made.scanners))
    return made, account


async def steps(made: House, stage: str = "antivirus") -> list[tuple[str, str, str]]:
    """What the stage said about the last message."""
    (record,) = await made.traces.search(TraceQuery(limit=1))
    return [(step.rule, step.verdict, step.detail) for step in record.steps if step.stage == stage]


async def held(made: House) -> list[HeldMessage]:
    return list(await made.quarantine.listing(HeldQuery()))


async def run_script(made: House, account: Account, text: str) -> None:
    owner = ScriptOwner("user", account.account_id)
    await made.scripts.put_script(owner, "main", text, 0.0)
    await made.scripts.activate(owner, "main")


async def test_without_engines_the_trace_says_nothing() -> None:
    made, account = await house()
    made.set("antivirus.engines", ())
    assert (await made.deliver("jane@example.test", content=INFECTED)).code == 250
    assert await steps(made) == []
    assert made.scanners["clamd"].scans == 0
    assert len(await made.inbox(account)) == 1


async def test_clean_mail_passes_and_the_trace_names_the_engine() -> None:
    made, account = await house()
    assert (await made.deliver("jane@example.test")).code == 250
    assert await steps(made) == [("clamd", "pass", "clean")]
    assert len(await made.inbox(account)) == 1


async def test_infected_mail_is_refused_in_the_session_by_default() -> None:
    made, account = await house()
    reply = await made.deliver("jane@example.test", content=INFECTED)
    assert (reply.code, reply.enhanced) == (554, "5.7.1")
    assert "Test.Virus" in reply.text
    assert await steps(made) == [("clamd", "refuse", "clamd found Test.Virus in part 3")]
    assert not await made.inbox(account)


async def test_infected_mail_is_dropped_if_so_set() -> None:
    made, account = await house()
    made.set("antivirus.action", "discard")
    assert (await made.deliver("jane@example.test", content=INFECTED)).code == 250
    assert (await steps(made))[0][:2] == ("clamd", "discard")
    assert not await made.inbox(account)
    assert not await held(made)


async def test_infected_mail_is_held_in_the_virus_quarantine_if_so_set() -> None:
    made, account = await house()
    made.set("antivirus.action", "quarantine")
    assert (await made.deliver("jane@example.test", content=INFECTED)).code == 250
    assert await steps(made) == [("clamd", "hold", "clamd found Test.Virus in part 3")]
    assert not await made.inbox(account)
    assert [each.kind for each in await held(made)] == ["virus"]


async def test_an_infected_part_is_taken_out_and_a_notice_put_in_its_place() -> None:
    made, account = await house()
    made.set("antivirus.action", "strip")
    assert (await made.deliver("jane@example.test", content=INFECTED)).code == 250
    (content,) = await made.inbox(account)
    assert VIRUS not in content
    assert b"The attachment bill.exe was taken out" in content
    assert b"Found: Test.Virus" in content
    assert b"notes.txt" in content
    assert b"X-Virus-Status: taken out: Test.Virus" in content
    assert await steps(made) == [("clamd", "tag", "clamd found Test.Virus in part 3; taken out: bill.exe")]


async def test_an_infection_in_no_single_part_is_refused_where_it_should_be_taken_out() -> None:
    made, _ = await house()
    made.set("antivirus.action", "strip")
    reply = await made.deliver("jane@example.test", content=b"From: a@b.test\r\nX-Bad: " + VIRUS + b"\r\n\r\nHi\r\n")
    assert reply.code == 554
    assert (await steps(made))[0][2] == "clamd found Test.Virus; it is in no single part"


async def test_a_message_of_one_part_is_replaced_by_the_notice() -> None:
    made, account = await house()
    made.set("antivirus.action", "strip")
    content = b"From: a@b.test\r\nContent-Type: application/x-msdownload; name=x.exe\r\n\r\nMZ" + VIRUS + b"\r\n"
    assert (await made.deliver("jane@example.test", content=content)).code == 250
    (kept,) = await made.inbox(account)
    assert VIRUS not in kept
    assert b"The attachment x.exe was taken out" in kept


async def test_names_in_notices_cannot_end_the_part() -> None:
    made, account = await house()
    made.set("antivirus.action", "strip")
    boundary = "frontier"
    content = (
        f'From: a@b.test\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n--{boundary}\r\n'
        "Content-Type: application/octet-stream\r\n"
        f"Content-Disposition: attachment; filename*=utf-8''x%0D%0A--{boundary}%0D%0AContent-Type:%20a/b%0D%0A%0D%0Aevil\r\n"
        f"\r\n{VIRUS.decode()}\r\n--{boundary}--\r\n"
    ).encode()
    assert (await made.deliver("jane@example.test", content=content)).code == 250
    (kept,) = await made.inbox(account)
    assert kept.count(f"\n--{boundary}".encode()) == 2


async def test_the_engine_cleans_what_it_can() -> None:
    made, account = await house()
    made.scanners["clamd"].mends = True
    made.set("antivirus.action", "clean")
    assert (await made.deliver("jane@example.test", content=INFECTED)).code == 250
    (content,) = await made.inbox(account)
    assert b'filename="bill.exe"' in content
    assert b"TVo=" in content  # what is left of it: MZ
    assert (await steps(made))[0][1:] == ("tag", "clamd found Test.Virus in part 3; cleaned: bill.exe")


async def test_what_the_engine_cannot_clean_is_refused() -> None:
    made, _ = await house()
    made.set("antivirus.action", "clean")
    assert (await made.deliver("jane@example.test", content=INFECTED)).code == 554
    assert (await steps(made))[0][2].endswith("the engine cannot clean it")


async def test_what_is_still_infected_after_mending_is_refused() -> None:
    made, _ = await house(clamd=MemoryScanner({VIRUS: "Test.Virus", b"harmless": "Other.Virus"}, "clamd"))
    made.scanners["clamd"].mends = True
    made.set("antivirus.action", "strip")
    content = b"X-Bad: harmless\r\n" + message(("bill.exe", b"MZ" + VIRUS))
    assert (await made.deliver("jane@example.test", content=content)).code == 554


async def test_engines_are_asked_in_series_each_with_its_own_action() -> None:
    first, second = MemoryScanner({b"one": "First.Virus"}, "clamd"), MemoryScanner({b"two": "Second.Virus"}, "second")
    made, account = await house(clamd=first, second=second)
    made.set("antivirus.engines", ("clamd://127.0.0.1?action=strip", "icap://127.0.0.1/av?name=second&action=discard"))
    assert (await made.deliver("jane@example.test", content=message(("a.exe", b"one"), ("b.txt", b"b")))).code == 250
    assert [step[:2] for step in await steps(made)] == [("clamd", "tag"), ("second", "pass")]
    content = message(("a.txt", b"one two"), ("b.txt", b"two"))
    assert (await made.deliver("jane@example.test", content=content)).code == 250
    assert [step[:2] for step in await steps(made)] == [("clamd", "tag"), ("second", "discard")]
    assert len(await made.inbox(account)) == 1


async def test_the_second_engine_is_not_asked_when_the_first_has_refused() -> None:
    made, _ = await house(clamd=MemoryScanner({VIRUS: "Test.Virus"}, "clamd"), second=MemoryScanner({}, "second"))
    await made.deliver("jane@example.test", content=INFECTED)
    assert made.scanners["second"].scans == 0


async def test_an_engine_that_is_down_defers_by_default() -> None:
    made, account = await house()
    made.scanners["clamd"].down = True
    reply = await made.deliver("jane@example.test")
    assert (reply.code, reply.enhanced) == (451, "4.3.0")
    assert "127.0.0.1" not in reply.text
    assert await steps(made) == [("clamd", "defer", "clamd: down")]
    assert not await made.inbox(account)


async def test_an_engine_that_is_down_lets_pass_marked_if_so_set() -> None:
    made, account = await house()
    made.scanners["clamd"].down = True
    made.set("antivirus.down", "pass")
    assert (await made.deliver("jane@example.test")).code == 250
    (content,) = await made.inbox(account)
    assert b"X-Virus-Status: not scanned: clamd is not available" in content
    assert await steps(made) == [("clamd", "tag", "clamd: down")]


async def test_one_engine_may_pass_where_another_must_not() -> None:
    made, _ = await house(clamd=MemoryScanner({}, "clamd"), second=MemoryScanner({}, "second"))
    made.set("antivirus.engines", ("clamd://127.0.0.1?down=pass", "icap://127.0.0.1/av?name=second"))
    made.scanners["clamd"].down = True
    assert (await made.deliver("jane@example.test")).code == 250
    made.scanners["second"].down = True
    assert (await made.deliver("jane@example.test", content=message(text="Another\r\n"))).code == 451


async def test_a_mass_mailing_is_scanned_once() -> None:
    made, _ = await house()
    for number in range(5):
        body = b"From: x@y.test\r\nX-Copy: %d\r\nContent-Type: text/plain\r\n\r\nThe same for all.\r\n" % number
        await made.deliver("jane@example.test", content=body)
    assert made.scanners["clamd"].scans == 1
    assert await steps(made) == [("clamd", "pass", "clean, as it was for a message with the same content")]


async def test_copies_that_come_while_the_first_is_scanned_wait_for_its_answer() -> None:
    made, _ = await house()
    made.set("outbreak.enabled", False)
    made.scanners["clamd"].gate = asyncio.Event()
    coming = [asyncio.create_task(made.deliver("jane@example.test", content=INFECTED)) for _ in range(4)]
    await asyncio.sleep(0.01)
    made.scanners["clamd"].gate.set()
    assert [(await each).code for each in coming] == [554] * 4
    assert made.scanners["clamd"].scans == 1


async def test_what_was_remembered_is_forgotten_in_time_and_failures_at_once() -> None:
    made, _ = await house()
    made.scanners["clamd"].down = True
    assert (await made.deliver("jane@example.test")).code == 451
    made.scanners["clamd"].down = False
    assert (await made.deliver("jane@example.test")).code == 250
    made.clock.advance(601)
    await made.deliver("jane@example.test")
    assert made.scanners["clamd"].scans == 3


POLICIES = [("reject", 554, "refuse"), ("quarantine", 250, "hold"), ("mark", 250, "tag")]


@pytest.mark.parametrize(("policy", "code", "verdict"), POLICIES)
async def test_encrypted_archives_go_by_their_setting(policy: str, code: int, verdict: str) -> None:
    made, account = await house()
    made.set("antivirus.encrypted", policy)
    content = message(("secret.zip", archives.encrypted_zip("a.exe", b"MZ")))
    assert (await made.deliver("jane@example.test", content=content)).code == code
    assert (await steps(made))[0] == ("encrypted", verdict, "secret.zip is encrypted")
    assert len(await made.inbox(account)) == (policy == "mark")
    if policy == "mark":
        assert b"X-Virus-Status: not scanned: encrypted" in (await made.inbox(account))[0]


async def test_what_an_engine_could_not_look_into_goes_by_its_setting() -> None:
    made, account = await house(clamd=MemoryScanner({b"huge": "Heuristics.Limits.Exceeded.MaxScanSize"}, "clamd"))
    assert (await made.deliver("jane@example.test", content=message(("a.bin", b"huge")))).code == 250
    assert b"X-Virus-Status: not scanned: too large" in (await made.inbox(account))[0]
    made.set("antivirus.unscannable", "reject")
    assert (await made.deliver("jane@example.test", content=message(("a.bin", b"huge")))).code == 554


BOMB = gzip.compress(bytes(40 << 20))


@pytest.mark.parametrize(
    "bomb", [BOMB, archives.nested(30), archives.overlapping(500)], ids=["ratio", "too deep", "overlapping"]
)
async def test_bombs_are_refused_with_or_without_engines(bomb: bytes, request: pytest.FixtureRequest) -> None:
    made, account = await house()
    word = request.node.callspec.id
    for engines in (("clamd://127.0.0.1",), ()):
        made.set("antivirus.engines", engines)
        reply = await made.deliver("jane@example.test", content=message(("bomb.zip", bomb)))
        assert reply.code == 554
        assert await steps(made) == [("bomb", "refuse", f"bomb.zip: {word}")]
    assert made.scanners["clamd"].scans == 0
    assert not await made.inbox(account)


async def test_bombs_pass_marked_if_so_set() -> None:
    made, account = await house()
    made.set("antivirus.bombs", "mark")
    assert (await made.deliver("jane@example.test", content=message(("a.gz", BOMB)))).code == 250
    assert b"X-Virus-Status: not scanned: archive ratio" in (await made.inbox(account))[0]
    assert made.scanners["clamd"].scans == 1


async def test_sieve_sees_the_result() -> None:
    made, account = await house()
    made.set("antivirus.down", "pass")
    await made.store.create(account.account_id, "Clean")
    await made.store.create(account.account_id, "Perhaps")
    script = (
        'require ["virustest", "relational", "comparator-i;ascii-numeric", "fileinto"];'
        'if virustest :value "eq" :comparator "i;ascii-numeric" "1" { fileinto "Clean"; }'
        'elsif virustest :value "eq" :comparator "i;ascii-numeric" "4" { fileinto "Perhaps"; }'
    )
    await run_script(made, account, script)
    await made.deliver("jane@example.test")
    await made.deliver("jane@example.test", content=message(("secret.zip", archives.encrypted_zip("a.exe", b"MZ"))))
    made.scanners["clamd"].down = True
    await made.deliver("jane@example.test", content=message(("other.txt", b"x")))
    found = [len(await made.inbox(account, name)) for name in ("Clean", "Perhaps", "INBOX")]
    assert found == [1, 1, 1]


async def test_filters_see_what_is_deep_in_archives() -> None:
    made, account = await house()
    await made.store.create(account.account_id, "Programs")
    await run_script(
        made,
        account,
        'require ["vnd.posthouse.filter", "fileinto"]; if attachment :member :matches "*.exe" { fileinto "Programs"; }',
    )
    inner = archives.tarred({"deep/run.exe": archives.PROGRAM})
    await made.deliver("jane@example.test", content=message(("a.zip", archives.zipped({"b.tar": inner}))))
    await made.deliver("jane@example.test", content=message(("a.7z", archives.seven("run.exe", b"MZ12"))))
    await made.deliver("jane@example.test", content=message(("a.rar", archives.rar5({"run.exe": b"MZ12"}, encrypted=True))))
    await made.deliver("jane@example.test", content=message(("a.zip", archives.zipped({"run.txt": b"x"}))))
    assert len(await made.inbox(account, "Programs")) == 3


async def test_who_is_to_be_told_is_told() -> None:
    made, _ = await house()
    await made.deliver("jane@example.test", content=INFECTED)
    (found,) = made.viruses
    assert (found.engine, found.names, found.done, found.refused) == ("clamd", "Test.Virus", "refused", True)
    assert (found.sender, found.genuine, found.local) == ("lena@elsewhere.test", False, ("jane@example.test",))
