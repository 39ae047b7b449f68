"""The outbreak check: what spreads too fast, and who sends it, is held for a while; honest bulk is not (CON-7)."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.scanner import MemoryScanner
from posthouse.model.held import HeldMessage, HeldQuery
from posthouse.model.trace import TraceQuery
from support import archives
from support.archives import PROGRAM, zipped
from support.composing import message
from support.house import House

VIRUS = b"a virus, as it were"
MACROS = "\r\n".join(
    f"Sub Step{number}()\r\n  Set obj{number} = CreateObject(wscript{number})\r\n  obj{number}.Run cmd{number}\r\nEnd Sub"
    for number in range(30)
)


async def house(messages: int = 4, places: int = 3) -> House:
    made = House()
    await made.add_user("jane@example.test")
    made.set("outbreak.spread_messages", messages)
    made.set("outbreak.spread_networks", places)
    return made


async def send(made: House, content: bytes, client: str = "192.0.2.9", account: str = "") -> str:
    """How it ended."""
    await made.deliver("jane@example.test", content=content, session=made.session(client=client, account=account))
    (record,) = await made.traces.search(TraceQuery(limit=1))
    return record.outcome


async def rules(made: House) -> list[tuple[str, str, str]]:
    (record,) = await made.traces.search(TraceQuery(limit=1))
    return [(step.rule, step.verdict, step.detail) for step in record.steps if step.stage == "outbreak"]


async def held(made: House) -> list[HeldMessage]:
    return list(await made.quarantine.listing(HeldQuery()))


async def test_a_program_that_spreads_from_many_addresses_is_held_and_goes_on_after_eight_hours() -> None:
    made = await house()
    outcomes = [await send(made, message((f"bill{n}.exe", PROGRAM)), f"192.0.{n}.7") for n in range(6)]
    assert outcomes == ["accepted"] * 3 + ["held"] * 3
    ((rule, verdict, detail),) = await rules(made)
    assert (rule, verdict) == ("spread", "hold")
    assert detail.startswith("program bill5.exe with fingerprint ")
    assert detail.endswith("is in 6 messages from 6 places within 60 min")
    (first, *_) = await held(made)
    assert first.kind == "outbreak"
    assert first.release_at == made.clock.now() + 8 * 3600


async def test_many_copies_from_one_address_are_no_outbreak() -> None:
    made = await house()
    assert {await send(made, message(("tool.exe", PROGRAM))) for _ in range(20)} == {"accepted"}


async def test_many_copies_from_one_network_or_of_one_confirmed_author_are_no_outbreak() -> None:
    made = await house()
    assert {await send(made, message(("tool.exe", PROGRAM)), f"198.51.100.{number}") for number in range(8)} == {"accepted"}
    made.resolver.records[("elsewhere.test", "TXT")] = ("v=spf1 ip4:192.0.0.0/16 -all",)
    made.resolver.records[("_dmarc.elsewhere.test", "TXT")] = ("v=DMARC1; p=reject",)
    assert {await send(made, message(("bill.exe", PROGRAM + b"!")), f"192.0.{n}.7") for n in range(8)} == {"accepted"}


async def test_harmless_attachments_are_never_held_however_many() -> None:
    made = await house()
    news = message(("news.pdf", b"%PDF-1.7 the same for all"), ("photo.zip", zipped({"a.jpg": b"\xff\xd8\xff"})))
    assert {await send(made, news, f"192.0.{number}.7") for number in range(20)} == {"accepted"}


def repacked(wrapping: str, number: int) -> bytes:
    """The same program, packed with something else under another name."""
    name = f"{number}.exe"
    if wrapping == "zip":
        return zipped({"filler": bytes([number]) * number, name: PROGRAM})
    if wrapping == "rar":
        return archives.rar5({"filler": bytes([number]), name: PROGRAM})
    return zipped({f"{number}.tar": archives.tarred({name: PROGRAM})})


@pytest.mark.parametrize("wrapping", ["zip", "rar", "tar in zip"])
async def test_repacking_under_other_names_does_not_hide_it(wrapping: str) -> None:
    made = await house()
    outcomes = []
    for number in range(5):
        packed = repacked(wrapping, number)
        outcomes.append(await send(made, message((f"papers{number}.zip", packed)), f"192.0.{number}.7"))
    assert outcomes == ["accepted"] * 3 + ["held"] * 2


async def test_an_encrypted_archive_is_known_by_what_its_directory_says() -> None:
    made = await house()
    outcomes = []
    for number in range(5):
        packed = archives.encrypted_zip("bill.exe", PROGRAM) + bytes(number)
        outcomes.append(await send(made, message(("bill.zip", packed)), f"192.0.{number}.7"))
    assert outcomes[-2:] == ["held", "held"]


async def test_documents_whose_macros_differ_a_little_are_the_same_outbreak() -> None:
    made = await house()
    outcomes = []
    for number in range(6):
        document = archives.word(MACROS + f"\r\n' build {number}\r\n", text=f"Invoice {number}")
        outcomes.append(await send(made, message((f"invoice{number}.docm", document)), f"192.0.{number}.7"))
    assert outcomes[-2:] == ["held", "held"]


async def test_documents_with_different_macros_are_not() -> None:
    made = await house()
    outcomes = set()
    for number in range(8):
        source = "\r\n".join(
            f"Sub A{number}x{line}()\r\n Cells({line * number},{line}) = {number * line}\r\nEnd Sub" for line in range(30)
        )
        document = archives.word(source)
        outcomes.add(await send(made, message(("sheet.docm", document)), f"192.0.{number}.7"))
    assert outcomes == {"accepted"}


async def test_what_spreads_slowly_is_not_held() -> None:
    made = await house()
    outcomes = set()
    for number in range(8):
        outcomes.add(await send(made, message(("tool.exe", PROGRAM)), f"192.0.{number}.7"))
        made.clock.advance(1300)
    assert outcomes == {"accepted"}


async def test_after_a_virus_the_risky_mail_of_an_address_is_held_and_other_mail_is_not() -> None:
    made = await house()
    made.scanners["clamd"] = MemoryScanner({VIRUS: "Test.Virus"}, "clamd")
    made.set("antivirus.engines", ("clamd://127.0.0.1",))
    assert await send(made, message(("bill.exe", VIRUS)), "192.0.2.66") == "refused"
    assert await send(made, message(("other.exe", PROGRAM)), "192.0.2.66") == "held"
    assert (await rules(made))[0][0] == "client-viruses"
    assert await send(made, message(("letter.txt", b"hello")), "192.0.2.66") == "accepted"
    assert await send(made, message(("other.exe", PROGRAM)), "192.0.2.67") == "accepted"


async def test_a_provider_is_not_to_blame_for_one_of_its_users() -> None:
    made = await house()
    made.scanners["clamd"] = MemoryScanner({VIRUS: "Test.Virus"}, "clamd")
    made.set("antivirus.engines", ("clamd://127.0.0.1",))
    made.resolver.records[("elsewhere.test", "TXT")] = ("v=spf1 ip4:192.0.0.0/16 -all",)
    made.resolver.records[("_dmarc.elsewhere.test", "TXT")] = ("v=DMARC1; p=reject",)
    assert await send(made, message(("bill.exe", VIRUS))) == "refused"
    assert await send(made, message(("other.exe", PROGRAM))) == "held"
    other = message(("other.exe", PROGRAM)).replace(b"From: lena@", b"From: otto@")
    assert await send(made, other) == "accepted"


async def test_an_account_that_sends_a_virus_is_judged_as_an_account() -> None:
    made = await house()
    made.scanners["clamd"] = MemoryScanner({VIRUS: "Test.Virus"}, "clamd")
    made.set("antivirus.engines", ("clamd://127.0.0.1",))
    assert await send(made, message(("bill.exe", VIRUS)), "192.0.2.66", "jane@example.test") == "refused"
    assert await send(made, message(("other.exe", PROGRAM)), "192.0.2.66", "omar@example.test") == "accepted"
    assert await send(made, message(("other.exe", PROGRAM)), "192.0.2.99", "jane@example.test") == "held"


async def test_too_many_risky_attachments_from_one_address_are_held() -> None:
    made = await house()
    made.set("outbreak.client_messages", 5)
    outcomes = [await send(made, message(("a.exe", PROGRAM + bytes([number])))) for number in range(7)]
    assert outcomes == ["accepted"] * 5 + ["held"] * 2
    assert (await rules(made))[0][0] == "client-messages"
    made.set("outbreak.exempt_networks", ("192.0.2.0/24",))
    assert await send(made, message(("a.exe", PROGRAM))) == "accepted"


async def test_a_fingerprint_that_an_administrator_allows_is_not_held_again() -> None:
    made = await house()
    for number in range(5):
        await send(made, message(("tool.exe", PROGRAM)), f"192.0.{number}.7")
    ((_, _, detail),) = await rules(made)
    fingerprint = detail.split("fingerprint ")[1].split()[0]
    made.set("outbreak.allowed", (fingerprint,))
    assert await send(made, message(("tool.exe", PROGRAM)), "192.0.2.8") == "accepted"
    assert (await rules(made))[0][:2] == ("allowed", "pass")
    assert await send(made, message(("tool.zip", zipped({"tool.exe": PROGRAM}))), "192.0.2.9") == "accepted"


async def test_held_mail_is_not_looked_at_by_later_checks() -> None:
    made = await house(messages=2, places=1)
    made.scanners["clamd"] = MemoryScanner({}, "clamd")
    made.set("antivirus.engines", ("clamd://127.0.0.1",))
    await send(made, message(("tool.exe", PROGRAM)), "192.0.2.1")
    assert await send(made, message(("tool.exe", PROGRAM)), "192.0.2.2") == "held"
    assert made.scanners["clamd"].scans == 1


async def test_switched_off_it_holds_nothing() -> None:
    made = await house(messages=2, places=1)
    made.set("outbreak.enabled", False)
    assert {await send(made, message(("tool.exe", PROGRAM)), f"192.0.{number}.7") for number in range(5)} == {"accepted"}
