"""What our own people send: as whom (OUT-3), through what, how much, and what happens when it gets out of hand (OUT-5)."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.scanner import MemoryScanner
from posthouse.base.settings import Value
from posthouse.model.address import Address
from posthouse.model.script import SYSTEM
from posthouse.model.spam import RuleHit, ScoredMail, SpamReport
from posthouse.model.verdict import Reply
from support.house import House

JANE, OMAR, KIM = "jane@example.test", "omar@example.test", "kim@other.test"
VIRUS = b"not really a virus"


class SpamWord:
    """A message with ``spam`` in its subject has 100 points."""

    name = "word"
    is_here = True

    async def score(self, mail: ScoredMail) -> SpamReport:
        return SpamReport("word", (RuleHit("WORD", 100.0, "spam"),) if "spam" in mail.summary.subject else ())


async def house(**settings: Value) -> House:
    made = House()
    for user in (JANE, OMAR, KIM):
        await made.add_user(user)
    for key, value in settings.items():
        made.set(key.replace("__", "."), value)
    return made


async def send(
    made: House,
    subject: str = "Hello",
    *,
    account: str = JANE,
    sender: str = "",
    author: str = "",
    to: int = 1,
    body: bytes = b"",
) -> Reply:
    found = await made.directory.account(Address.parse(account))
    assert found is not None
    session = made.session("submission", account=account)
    session.account_id = found.account_id
    content = f"From: {author or account}\r\nSubject: {subject}\r\n\r\n".encode() + body
    recipients = [f"r{number}@far.test" for number in range(to)]
    return await made.deliver(*recipients, sender=sender or account, content=content, session=session)


def left(made: House) -> tuple[str, str]:
    """Envelope sender and From of the newest message in the queue."""
    message = made.sink.accepted[-1]
    lines = message.content.decode().split("\r\n")
    return str(message.sender), next(line for line in lines if line.startswith("From: "))


@pytest.mark.spec_part("OUT-3")
@pytest.mark.parametrize("mode", ["rewrite", "refuse"])
async def test_envelope_and_from_are_set_to_the_accounts_address_or_must_be_among_its_own(mode: str) -> None:
    made = await house(submission__sender=mode, submission__delegates=(f"{JANE}=sales@example.test",))
    await made.directory.put_alias(Address.parse("j@example.test"), [Address.parse(JANE)])
    for own in (JANE, "jane+news@example.test", "j@example.test", "sales@example.test"):
        assert (await send(made, sender=own, author=own)).code == 250
        assert left(made) == (own, f"From: {own}")
    for sender, author in ((OMAR, JANE), (JANE, OMAR), ("boss@bank.test", "boss@bank.test")):
        reply = await send(made, sender=sender, author=author)
        if mode == "refuse":
            assert (reply.code, reply.enhanced) == (550, "5.7.1")
        else:
            assert reply.code == 250
            assert left(made) == (JANE, f"From: {JANE}")


@pytest.mark.spec_part("OUT-5")
async def test_outgoing_mail_passes_all_checks_as_set_within_its_rates_and_a_stolen_account_is_stopped() -> None:
    made = await house(antispam__outgoing="refuse")
    await made.scripts.put_script(SYSTEM, "main", 'require "reject"; if header "subject" "secret" { reject "No"; }', 0.0)
    await made.scripts.activate(SYSTEM, "main")
    made.scanners["clamd"] = MemoryScanner({VIRUS: "Test.Virus"}, "clamd")
    made.set("antivirus.engines", ("clamd://127.0.0.1:3310",))
    made.engines = [SpamWord()]
    assert (await send(made)).code == 250
    assert (await send(made, "secret")).code == 550, "filters"
    assert (await send(made, body=VIRUS)).code == 554, "antivirus"
    assert (await send(made, "spam")).code == 550, "antispam"
    made.set("antispam.outgoing", "off")
    assert (await send(made, "spam")).code == 250, "as set"

    made = await house(submission__user_rate=2)
    assert (await send(made, to=2)).code == 250
    assert (await send(made)).code == 450, "per user"
    assert (await send(made, account=OMAR)).code == 250
    made = await house(submission__domain_rate=2)
    assert (await send(made, to=2)).code == 250
    assert (await send(made, account=OMAR)).code == 450, "per domain"
    assert (await send(made, account=KIM)).code == 250
    made = await house(submission__node_rate=2)
    assert (await send(made, to=2)).code == 250
    assert (await send(made, account=KIM)).code == 450, "per node"

    made = await house(watch__messages=5, watch__spam=3, antispam__outgoing="mark")
    made.engines = [SpamWord()]
    assert (await send(made, account=OMAR)).code == 250
    assert [(await send(made, "spam")).code for _ in range(4)] == [250, 250, 250, 550], "it suddenly sends spam"
    assert (await send(made, "spam")).enhanced == "5.7.13"
    assert {each.sender.auth: each.recipients[0].state for each in await made.spool.listing()} == {
        JANE: "held",
        OMAR: "waiting",
    }
    assert [alert.account for alert in made.alerts] == [JANE]
    assert (await send(made, account=OMAR)).code == 250
