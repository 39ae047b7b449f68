"""OAUTHBEARER and XOAUTH2 as machines: what a message must be, and what a refusal says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.protocols.sasl import BearerServer, Challenge, CheckToken, Failed, server_machine
from posthouse.protocols.sasl.bearer import MAX_TOKEN, BearerName

TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="


def machine(name: str) -> BearerServer:
    found = server_machine(name)
    assert isinstance(found, BearerServer)
    return found


def test_the_example_of_rfc_7628() -> None:
    message = f"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer {TOKEN}\x01\x01".encode()
    for step in (machine("OAUTHBEARER").start(message), machine("OAUTHBEARER").step(message)):
        assert step == CheckToken("user@example.com", TOKEN, "OAUTHBEARER")
    assert TOKEN not in repr(step)
    assert machine("OAUTHBEARER").start(None) == Challenge(b"")


@pytest.mark.parametrize(
    ("name", "message", "login"),
    [
        ("OAUTHBEARER", f"n,,\x01auth=Bearer {TOKEN}\x01\x01", ""),
        ("OAUTHBEARER", f"y,,\x01auth=bearer  {TOKEN}\x01\x01", ""),
        ("OAUTHBEARER", f"n,a=a=2Cb=3Dc@example.com,\x01auth=Bearer {TOKEN}\x01\x01", "a,b=c@example.com"),
        ("XOAUTH2", f"user=jane@example.com\x01auth=Bearer {TOKEN}\x01\x01", "jane@example.com"),
        ("XOAUTH2", f"user=grüße@example.com\x01auth=Bearer {TOKEN}\x01\x01", "grüße@example.com"),
    ],
)
def test_what_clients_send(name: str, message: str, login: str) -> None:
    assert machine(name).start(message.encode()) == CheckToken(login, TOKEN, name)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "\x01",
        f"p=tls-exporter,,\x01auth=Bearer {TOKEN}\x01\x01",
        f"n,jane,\x01auth=Bearer {TOKEN}\x01\x01",
        f"n,a=ja=ne,\x01auth=Bearer {TOKEN}\x01\x01",
        f"n,a=jane\r\n,\x01auth=Bearer {TOKEN}\x01\x01",
        f"n,a={'j' * 400},\x01auth=Bearer {TOKEN}\x01\x01",
        f"n,,\x01auth=Bearer {TOKEN}\x01",
        f"n,,\x01auth=Bearer {TOKEN}",
        f"n,,\x01auth=Basic {TOKEN}\x01\x01",
        "n,,\x01auth=Bearer \x01\x01",
        "n,,\x01auth=Bearer a b\x01\x01",
        "n,,\x01auth=Bearer é\x01\x01",
        "n,,\x01host=x\x01\x01",
        f"n,,\x01auth=Bearer {TOKEN}\x01auth=Bearer {TOKEN}\x01\x01",
        f"n,,\x01nonsense\x01auth=Bearer {TOKEN}\x01\x01",
        f"n,,\x01auth=Bearer {'x' * (MAX_TOKEN + 1)}\x01\x01",
        "n,,\x01auth=Bearer " + "x" * 20_000 + "\x01\x01",
        f"user=\x01auth=Bearer {TOKEN}\x01\x01",
        f"user=jane\x01auth=Bearer {TOKEN}\x01\x01 ",
    ],
)
@pytest.mark.parametrize("name", ["OAUTHBEARER", "XOAUTH2"])
def test_malformed_messages(name: str, message: str) -> None:
    assert isinstance(machine(name).start(message.encode()), Failed)


@given(st.sampled_from(["OAUTHBEARER", "XOAUTH2"]), st.binary(max_size=200))
def test_any_octets_give_a_step(name: BearerName, octets: bytes) -> None:
    assert isinstance(machine(name).step(octets), (Failed, CheckToken))


def test_refusals_say_what_they_must_and_no_more() -> None:
    refusal = machine("OAUTHBEARER").refuse(scope="mail", configuration="https://id.example.com/c")
    assert json.loads(refusal.data) == {
        "status": "invalid_token",
        "scope": "mail",
        "openid-configuration": "https://id.example.com/c",
    }
    assert json.loads(machine("OAUTHBEARER").refuse().data) == {"status": "invalid_token"}
    assert json.loads(machine("XOAUTH2").refuse(scope="mail").data)["status"] == "401"
