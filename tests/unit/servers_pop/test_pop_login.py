"""Ways to log in to POP3, and where each is allowed."""

from __future__ import annotations

import base64
import ssl

import pytest

from posthouse.model.settings import Settings
from posthouse.protocols.sasl.client import ScramClient
from support.imap_dialogue import LOGIN, PASSWORD
from support.pop_house import House, coded

ELSEWHERE = "192.0.2.7"


async def test_wrong_passwords_are_refused_and_end_the_connection_after_some(house: House) -> None:
    client = await house.connect()
    limit = house.world.settings.auth.max_failures
    answers = []
    for _ in range(limit):
        await client.say(f"USER {LOGIN}")
        answers.append(await client.say("PASS wrong"))
    assert answers[0] == "-ERR [AUTH] Authentication credentials invalid"
    assert answers[-1] == "-ERR [AUTH] Too many failed logins"
    assert await client.ended()


async def test_sasl_plain_with_and_without_initial_response(house: House) -> None:
    answer = coded(f"\0{LOGIN}\0{PASSWORD}".encode())
    client = await house.connect()
    assert (await client.say(f"AUTH PLAIN {answer}")).startswith("+OK 0 messages")
    await client.say("QUIT")
    client = await house.connect()
    assert await client.say("AUTH PLAIN") == "+ "
    assert (await client.say(answer)).startswith("+OK")


async def test_sasl_login_and_its_cancelling(house: House) -> None:
    client = await house.connect()
    assert (await client.say("AUTH LOGIN")).startswith("+ ")
    assert await client.say("*") == "-ERR Authentication cancelled"
    assert (await client.say("AUTH LOGIN")).startswith("+ ")
    assert (await client.say(coded(LOGIN.encode()))).startswith("+ ")
    assert (await client.say(coded(PASSWORD.encode()))).startswith("+OK")


@pytest.mark.parametrize(("password", "right"), [(PASSWORD, True), ("wrong", False)])
async def test_sasl_scram_shows_no_password(house: House, password: str, *, right: bool) -> None:
    client = await house.connect()
    machine = ScramClient(LOGIN, password)
    first = await client.say(f"AUTH SCRAM-SHA-256 {coded(machine.initial() or b'')}")
    answer = await client.say(coded(machine.step(base64.b64decode(first[2:]))))
    if right:
        machine.step(base64.b64decode(answer[2:]))
        answer = await client.say("")
        assert machine.done
    assert answer.startswith("+OK" if right else "-ERR [AUTH]")


async def test_acting_as_somebody_else_is_refused(house: House) -> None:
    client = await house.connect()
    answer = coded(f"boss@example.com\0{LOGIN}\0{PASSWORD}".encode())
    assert (await client.say(f"AUTH PLAIN {answer}")) == "-ERR [AUTH] Acting as this user is not allowed"


@pytest.mark.spec_part("TLS-1")
async def test_nobody_logs_in_by_clear_text_from_elsewhere(house: House) -> None:
    client = await house.connect(ELSEWHERE)
    offered = await client.listing("CAPA")
    assert "USER" not in offered
    assert not any(line.startswith("SASL") for line in offered)
    assert (await client.say(f"USER {LOGIN}")).startswith("-ERR")
    assert (await client.say("AUTH PLAIN =")).startswith("-ERR")
    assert (await client.say("AUTH SCRAM-SHA-256")).startswith("-ERR")


async def test_passwords_in_clear_text_are_allowed_by_setting(house: House) -> None:
    house.world.settings = Settings().with_value("auth.plaintext", True)
    client = await house.connect(ELSEWHERE)
    assert (await client.say(f"USER {LOGIN}")).startswith("+OK")


async def test_stls_opens_the_way_for_passwords_and_forgets_what_came_before(house: House) -> None:
    house.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = await house.connect(ELSEWHERE)
    assert "STLS" in await client.listing("CAPA")
    assert (await client.say("STLS\r\nUSER intruder")).startswith("+OK")
    offered = await client.listing("CAPA")
    assert "STLS" not in offered
    assert "USER" in offered
    assert (await client.say(f"PASS {PASSWORD}")).startswith("-ERR")
    await client.say(f"USER {LOGIN}")
    assert (await client.say(f"PASS {PASSWORD}")).startswith("+OK")
