"""SASL machines: against each other, against the scramp library, against RFC examples, and against malformed input."""

from __future__ import annotations

import base64

import pytest
import scramp  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.sasl import (
    Challenge,
    CheckPassword,
    Done,
    Failed,
    NeedScram,
    SaslError,
    SaslStep,
    ScramServer,
    choose_client,
    make_scram,
    server_machine,
)
from posthouse.protocols.sasl.client import LoginClient, PlainClient, ScramClient
from posthouse.protocols.sasl.saslprep import saslprep
from posthouse.protocols.sasl.scram import from_saslname, to_saslname

SALT = b"0123456789abcdef"
KEYS = make_scram("secret", SALT, 4096)


def challenge(step: SaslStep) -> bytes:
    assert isinstance(step, Challenge), step
    return step.data


def test_plain() -> None:
    machine = server_machine("PLAIN")
    assert machine is not None and machine.name == "PLAIN"
    assert machine.start(None) == Challenge(b"")
    assert machine.step(b"admin\0jane\0p\xc3\xa4ss") == CheckPassword("admin", "jane", "p\xe4ss")
    assert "p\xe4ss" not in repr(machine.step(b"\0jane\0p\xc3\xa4ss"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0jane\0",
        b"\0\0x",
        b"a\0b\0c\0d",
        b"\0\xff\0x",
        b"jane",
        b"\0" + b"j" * 400 + b"\0x",
        b"\0j\0" + b"x" * 2000,
    ],
)
def test_malformed_plain(data: bytes) -> None:
    machine = server_machine("PLAIN")
    assert machine is not None
    assert isinstance(machine.start(data), Failed)


def test_login() -> None:
    machine = server_machine("LOGIN")
    assert machine is not None
    assert machine.start(None) == Challenge(b"Username:")
    assert machine.step(b"jane") == Challenge(b"Password:")
    assert machine.step(b"secret") == CheckPassword("", "jane", "secret")
    again = server_machine("LOGIN")
    assert again is not None
    assert again.start(b"jane") == Challenge(b"Password:")
    assert isinstance(again.step(b""), Failed)
    for data in (b"", b"\xff", b"j" * 400, b"a\0b"):
        fresh = server_machine("LOGIN")
        assert fresh is not None and isinstance(fresh.start(data), Failed)


def test_unknown_mechanism() -> None:
    assert server_machine("CRAM-MD5") is None


def test_rfc_7677_example() -> None:
    """§3: user ``user``, password ``pencil``."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    tail = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    machine = ScramServer(random=lambda size: base64.b64decode(base64.b64encode(tail))[:size])
    assert machine.start(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == NeedScram("user")
    stored, server = make_scram("pencil", salt, 4096)
    first = challenge(machine.secret(salt, 4096, stored, server))
    assert first.startswith(b"r=rOprNGfwEbeRWgbNEkqO") and first.endswith(b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    client = scramp.ScramClient(["SCRAM-SHA-256"], "user", "pencil", c_nonce="rOprNGfwEbeRWgbNEkqO")
    client.get_client_first()
    client.set_server_first(first.decode())
    final = challenge(machine.step(client.get_client_final().encode()))
    client.set_server_final(final.decode())
    assert machine.step(b"") == Done("", "user")


@pytest.mark.parametrize(("login", "password"), [("jane", "secret"), ("a=b,c", "pa,ss=word"), ("j\xe4ne", "I\xadX \u2168")])
def test_our_client_and_our_server(login: str, password: str) -> None:
    client, server = ScramClient(login, password, "admin"), ScramServer()
    assert server.name == client.name == "SCRAM-SHA-256"
    assert server.start(None) == Challenge(b"")
    need = server.step(client.initial() or b"")
    assert need == NeedScram(login)
    server_first = server.secret(SALT, 4096, *make_scram(password, SALT, 4096)).data
    server_final = challenge(server.step(client.step(server_first)))
    assert not client.done
    assert client.step(server_final) == b""
    assert client.done
    assert server.step(b"") == Done("admin", login)
    assert isinstance(server.step(b""), Failed)
    with pytest.raises(SaslError):
        client.step(b"")


def test_our_client_and_scramp_as_server() -> None:
    mechanism = scramp.ScramMechanism("SCRAM-SHA-256")
    info = mechanism.make_auth_info("secret", iteration_count=4096, salt=SALT)
    assert (info[1], info[2]) == KEYS
    server = mechanism.make_server(lambda login: info)
    client = ScramClient("jane", "secret")
    server.set_client_first((client.initial() or b"").decode())
    server.set_client_final(client.step(server.get_server_first().encode()).decode())
    client.step(server.get_server_final().encode())
    assert client.done


def test_a_wrong_password_names_the_login() -> None:
    client, server = ScramClient("jane", "wrong"), ScramServer()
    server.start(client.initial())
    final = client.step(server.secret(SALT, 4096, *KEYS).data)
    assert server.step(final) == Failed("wrong proof", "jane")


def test_nothing_may_follow_the_proof() -> None:
    client, server = ScramClient("jane", "secret"), ScramServer()
    server.start(client.initial())
    challenge(server.step(client.step(server.secret(SALT, 4096, *KEYS).data)))
    assert isinstance(server.step(b"more"), Failed)


def test_channel_binding() -> None:
    bindings = {"tls-server-end-point": b"unique"}
    server = server_machine("SCRAM-SHA-256-PLUS", bindings=bindings)
    assert isinstance(server, ScramServer)
    client = scramp.ScramClient(["SCRAM-SHA-256-PLUS"], "jane", "secret", channel_binding=("tls-server-end-point", b"unique"))
    assert server.start(client.get_client_first().encode()) == NeedScram("jane")
    client.set_server_first(server.secret(SALT, 4096, *KEYS).data.decode())
    client.set_server_final(challenge(server.step(client.get_client_final().encode())).decode())
    assert server.step(b"") == Done("", "jane")


def test_someone_in_the_middle_fails_channel_binding() -> None:
    server = ScramServer(plus=True, bindings={"tls-server-end-point": b"ours"})
    client = scramp.ScramClient(["SCRAM-SHA-256-PLUS"], "jane", "secret", channel_binding=("tls-server-end-point", b"theirs"))
    server.start(client.get_client_first().encode())
    client.set_server_first(server.secret(SALT, 4096, *KEYS).data.decode())
    assert isinstance(server.step(client.get_client_final().encode()), Failed)


@pytest.mark.parametrize(
    ("plus", "first"),
    [
        (True, b"n,,n=jane,r=abcdefgh"),
        (True, b"p=tls-unique,,n=jane,r=abcdefgh"),
        (False, b"p=tls-exporter,,n=jane,r=abcdefgh"),
        (False, b"y,,n=jane,r=abcdefgh"),
    ],
)
def test_a_mechanism_that_was_talked_down_is_refused(*, plus: bool, first: bytes) -> None:
    server = ScramServer(plus=plus, bindings={"tls-exporter": b"ours"})
    assert isinstance(server.start(first), Failed)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n",
        b"n,,",
        b"n,,r=abcdefgh,n=jane",
        b"n,,n=jane",
        b"n,,m=x,n=jane,r=abcdefgh",
        b"n,x=y,n=jane,r=abcdefgh",
        b"n,,n=ja=ne,r=abcdefgh",
        b"n,,n=,r=abcdefgh",
        b"n,,n=jane,r=short",
        b"n,,n=jane,r=abcdefgh,r=abcdefgh",
        b"n,,n=\xff,r=abcdefgh",
        b"n,,n=jane\x07,r=abcdefgh",
        b"n,,n=" + b"j" * 400 + b",r=abcdefgh",
        b"n,,n=jane,r=" + b"x" * 600,
        b"x" * 5000,
    ],
)
def test_malformed_first_message(first: bytes) -> None:
    assert isinstance(ScramServer().start(first), Failed)


@pytest.mark.parametrize(
    "final", [b"", b"c=biws", b"c=biws,r=x,p=!!", b"c=biws,r=x,p=AAAA", b"r=x,c=biws,p=AAAA", b"\xff,p=", b"p=AAAA"]
)
def test_malformed_final_message(final: bytes) -> None:
    server = ScramServer()
    server.start(b"n,,n=jane,r=abcdefgh")
    server.secret(SALT, 4096, *KEYS)
    assert isinstance(server.step(final), Failed)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["PLAIN", "LOGIN", "SCRAM-SHA-256"]),
    st.lists(st.binary(max_size=60) | st.just(b"n,,n=a,r=abcdefgh"), min_size=1, max_size=4),
)
def test_server_machines_never_raise(name: str, messages: list[bytes]) -> None:
    machine = server_machine(name)
    assert machine is not None
    step = machine.start(messages[0])
    for message in messages[1:]:
        if isinstance(step, NeedScram) and isinstance(machine, ScramServer):
            step = machine.secret(SALT, 4096, *KEYS)
        step = machine.step(message)
    assert not isinstance(step, Done)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"r=other,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096",
        b"e=other-error",
        b"\xff",
        b"NONCE,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096",
        b"NONCEx,s=,i=4096",
        b"NONCEx,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=1",
        b"NONCEx,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=999999999",
        b"NONCEx,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=x",
        b"x" * 5000,
    ],
)
def test_the_client_does_not_fall_for_a_bad_server(first: bytes) -> None:
    client = ScramClient("jane", "secret", random=lambda size: b"x" * size)
    nonce = (client.initial() or b"").rpartition(b"r=")[2]
    with pytest.raises(SaslError):
        client.step(first.replace(b"NONCE", b"r=" + nonce))
    assert not client.done


def test_a_server_without_the_keys_is_found_out() -> None:
    client, server = ScramClient("jane", "secret"), ScramServer()
    server.start(client.initial())
    client.step(server.secret(SALT, 4096, *KEYS).data)
    with pytest.raises(SaslError):
        client.step(b"v=" + base64.b64encode(b"x" * 32))
    assert not client.done


def test_the_plain_clients() -> None:
    plain = PlainClient("jane", "secret", "admin")
    assert plain.initial() == plain.step(b"") == b"admin\0jane\0secret"
    with pytest.raises(SaslError):
        plain.step(b"what?")
    login = LoginClient("jane", "secret")
    assert login.initial() is None and not login.done
    assert [login.step(b"1"), login.step(b"2")] == [b"jane", b"secret"]
    assert login.done
    with pytest.raises(SaslError):
        login.step(b"3")


def test_the_best_mechanism_is_chosen() -> None:
    def name(*offered: str, plaintext: bool = True) -> str | None:
        machine = choose_client(offered, "jane", "secret", plaintext=plaintext)
        return machine.name if machine else None

    assert name("PLAIN", "LOGIN", "scram-sha-256") == "SCRAM-SHA-256"
    assert name("LOGIN", "PLAIN") == "PLAIN"
    assert name("LOGIN") == "LOGIN"
    assert name("PLAIN", "LOGIN", plaintext=False) is None
    assert name("GSSAPI") is None


@pytest.mark.parametrize(
    ("text", "prepared"),
    [("I\xadX", "IX"), ("user", "user"), ("USER", "USER"), ("\xaa", "a"), ("\u2168", "IX"), ("a\xa0b", "a b")],
)
def test_saslprep_examples_of_rfc_4013(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\x07", "\u06271", "", "\xad", "a\u0627", "\ue000", "\u0221"])
def test_saslprep_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        saslprep(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20))
def test_names_survive_their_escapes(text: str) -> None:
    assert from_saslname(to_saslname(text)) == text
