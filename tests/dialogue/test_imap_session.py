"""IMAP sessions from greeting to BYE: states, login, ENABLE, bad commands, IDLE (RFC 9051 §3, §6)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest

from posthouse.protocols.sasl import choose_client, make_scram
from support.imap_dialogue import LOGIN, PASSWORD, Client, World, message


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def test_a_session_goes_through_its_states(world: World) -> None:
    await world.play(
        f"""
        S: * OK [CAPABILITY IMAP4rev1 ...AUTH=PLAIN...] Posthouse ready
        C: a1 SELECT INBOX
        S: a1 BAD Log in first
        C: a2 LOGIN {LOGIN} wrong
        S: a2 NO [AUTHENTICATIONFAILED] ...
        C: a3 LOGIN {LOGIN} {PASSWORD}
        S: a3 OK [CAPABILITY ...UIDPLUS...] Logged in
        C: a4 LOGIN {LOGIN} {PASSWORD}
        S: a4 BAD Already logged in
        C: a5 FETCH 1 FLAGS
        S: a5 BAD No mailbox is selected
        C: a6 SELECT INBOX
        S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded $MDNSent $Junk $NotJunk $Phishing)
        S: * OK [PERMANENTFLAGS (\\Answered ... \\Draft $Forwarded ... $Junk $NotJunk $Phishing \\*)] ...
        S: * 0 EXISTS
        S: * 0 RECENT
        S: * OK [UIDVALIDITY ...] ...
        S: * OK [UIDNEXT 1] ...
        S: * OK [HIGHESTMODSEQ 1] ...
        S: * OK [MAILBOXID (...)] ...
        S: * OK [URLMECH INTERNAL] ...
        S: a6 OK [READ-WRITE] SELECT completed
        C: a7 UNSELECT
        S: a7 OK ...
        C: a8 CHECK
        S: a8 BAD No mailbox is selected
        C: a9 LOGOUT
        S: * BYE ...
        S: a9 OK ...
        """,
        client := world.connect(),
    )
    await client.task
    assert client.transport.closed


@pytest.mark.spec_part("TLS-1", "INB-3")
async def test_nobody_logs_in_by_clear_text_off_loopback(world: World) -> None:
    secret = base64.b64encode(f"\0{LOGIN}\0{PASSWORD}".encode()).decode()
    await world.play(
        f"""
        S: * OK [CAPABILITY ...LOGINDISABLED] ...
        C: a1 LOGIN {LOGIN} {PASSWORD}
        S: a1 NO [PRIVACYREQUIRED] ...
        C: a2 AUTHENTICATE PLAIN {secret}
        S: a2 NO [PRIVACYREQUIRED] ...
        C: a3 AUTHENTICATE SCRAM-SHA-256
        S: a3 NO [PRIVACYREQUIRED] ...
        """,
        world.connect("192.0.2.1"),
    )


async def test_authenticate_with_and_without_initial_response(world: World) -> None:
    secret = base64.b64encode(f"\0{LOGIN}\0{PASSWORD}".encode()).decode()
    login, password = (base64.b64encode(text.encode()).decode() for text in (LOGIN, PASSWORD))
    first, second, third = world.connect(), world.connect(), world.connect()
    await world.play(
        f"""
        S: * OK ...
        S2: * OK ...
        S3: * OK ...
        C: a1 AUTHENTICATE PLAIN {secret}
        S: a1 OK [CAPABILITY ...
        C2: a1 AUTHENTICATE PLAIN
        S2: +...
        C2: *
        S2: a1 BAD Cancelled
        C2: a2 AUTHENTICATE PLAIN
        S2: +...
        C2: {secret}
        S2: a2 OK [CAPABILITY ...
        C3: a1 AUTHENTICATE LOGIN
        S3: + VXNlcm5hbWU6
        C3: {login}
        S3: + UGFzc3dvcmQ6
        C3: {password}
        S3: a1 OK [CAPABILITY ...
        """,
        first,
        second,
        third,
    )


async def test_failed_logins_end_the_connection(world: World) -> None:
    client = world.connect()
    await client.next_line()
    for _ in range(5):
        assert (await client.do(f"LOGIN {LOGIN} no"))[-1].startswith("NO [AUTHENTICATIONFAILED]")
    assert (await client.next_line()).startswith("* BYE ")
    await client.task


async def test_too_many_bad_commands_end_the_connection(world: World) -> None:
    client = await world.login()
    for _ in range(20):
        assert (await client.do("NONSENSE"))[-1].startswith("BAD ")
    assert (await client.next_line()).startswith("* BYE ")
    await client.task


async def test_good_commands_forgive_bad_ones(world: World) -> None:
    client = await world.login()
    for _ in range(40):
        assert (await client.do("NONSENSE"))[-1].startswith("BAD ")
        assert (await client.do("NOOP"))[-1].startswith("OK ")


async def test_enable_and_unauthenticate(world: World) -> None:
    client = await world.login()
    await world.play(
        """
        C: a1 ENABLE CONDSTORE X-NONE IMAP4rev2 UTF8=ACCEPT
        S: * ENABLED CONDSTORE IMAP4rev2 UTF8=ACCEPT
        S: a1 OK ...
        C: a2 CREATE "Entwürfe"
        S: a2 OK [MAILBOXID ...
        C: a3 LIST "" "Entw*"
        S: * LIST (\\HasNoChildren) "/" "Entwürfe"
        S: a3 OK ...
        C: a4 UNAUTHENTICATE
        S: a4 OK [CAPABILITY ...AUTH=...
        C: a5 SELECT INBOX
        S: a5 BAD Log in first
        C: a6 LOGIN jane@example.com secret
        S: a6 OK ...
        C: a7 LIST "" "Entw*"
        S: * LIST (\\HasNoChildren) "/" Entw&APw-rfe
        S: a7 OK ...
        """,
        client,
    )


async def test_id_namespace_and_capability(world: World) -> None:
    await world.play(
        """
        C: a1 ID ("name" "test")
        S: * ID ("name" "Posthouse")
        S: a1 OK ...
        C: a2 NAMESPACE
        S: * NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared/" "/"))
        S: a2 OK ...
        C: a3 CAPABILITY
        S: * CAPABILITY IMAP4rev1 IMAP4rev2 ...APPENDLIMIT=134217728 COMPRESS=DEFLATE
        S: a3 OK ...
        """,
        await world.login(),
    )


async def test_idle_tells_of_other_sessions_at_once(world: World) -> None:
    watcher, other = await world.login(), await world.login()
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await watcher.do("SELECT INBOX")
    await other.do("SELECT INBOX")
    await world.play(
        """
        C: a1 IDLE
        S: + idling
        """,
        watcher,
    )
    await other.do(b"APPEND INBOX {%d+}\r\n%b" % (len(message()), message()))
    assert await watcher.next_line() == "* 1 EXISTS"
    await other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert await watcher.next_line() == "* 1 FETCH (UID 1 FLAGS (\\Deleted))"
    await other.do("EXPUNGE")
    await world.play(
        """
        S: * 1 EXPUNGE
        C: DONE
        S: a1 OK IDLE completed
        """,
        watcher,
    )


async def test_idle_ends_with_bad_on_anything_but_done(world: World) -> None:
    await world.play(
        """
        C: a1 IDLE
        S: + idling
        C: a2 NOOP
        S: a1 BAD ...
        C: a3 NOOP
        S: a3 OK ...
        """,
        await world.login(),
    )


async def test_silence_ends_with_bye(world: World) -> None:
    client, fresh = await world.login(), world.connect()
    await fresh.next_line()
    await client.settle()
    world.clock.advance(61)
    world.sweeper.sweep()
    assert (await fresh.next_line()).startswith("* BYE ")
    assert not client.transport.closed
    world.clock.advance(1900)
    world.sweeper.sweep()
    assert (await client.next_line()).startswith("* BYE ")


async def test_drain_says_bye_to_waiting_and_idling_sessions(world: World) -> None:
    waiting, idling = await world.login(), await world.login()
    idling.send(b"a1 IDLE\r\n")
    assert await idling.next_line() == "+ idling"
    await waiting.settle()
    world.server.drain()
    for client in (waiting, idling):
        assert (await client.next_line()).startswith("* BYE ")
        await client.task


async def test_an_unexpected_error_is_answered_and_the_session_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_account_id: int) -> None:
        raise RuntimeError("boom")

    client = await world.login()
    monkeypatch.setattr(world.store, "mailboxes", broken)
    assert await client.do('LIST "" *') == ["NO [SERVERBUG] Internal error"]
    assert (await client.do("NOOP"))[-1].startswith("OK ")


async def test_deleting_the_selected_mailbox_elsewhere_ends_with_bye(world: World) -> None:
    one, two, three = await world.login(), await world.login(), await world.login()
    await one.do("CREATE work")
    await one.do("SELECT work")
    await three.do("SELECT work")
    three.send(b"x IDLE\r\n")
    assert await three.next_line() == "+ idling"
    assert (await two.do("DELETE work"))[-1].startswith("OK ")
    one.send(b"a1 NOOP\r\n")
    assert (await one.next_line()).startswith("* BYE ")
    assert (await three.next_line()).startswith("* BYE ")


async def test_the_first_unseen_message_is_told_when_it_is_known(world: World) -> None:
    one, two = await world.login(), await world.login()
    for _ in range(3):
        await one.do("APPEND INBOX {1+}\r\nx")

    async def told(client: Client) -> list[str]:
        return [line.split("]")[0] for line in await client.do("SELECT INBOX") if "[UNSEEN" in line]

    assert await told(one) == ["* OK [UNSEEN 1"]
    await one.do("STORE 1 +FLAGS (\\Seen)")
    assert await told(two) == ["* OK [UNSEEN 2"]
    await one.do("STORE 2:3 +FLAGS (\\Seen)")
    assert await told(two) == []
    await one.do("STORE 3 -FLAGS (\\Seen)")
    await two.do("ENABLE IMAP4rev2")
    assert await told(two) == []
    assert await told(one) == ["* OK [UNSEEN 3"]


async def test_deleting_the_own_selected_mailbox_leaves_it(world: World) -> None:
    client = await world.login()
    await client.do("CREATE work")
    await client.do("SELECT work")
    assert await client.do("DELETE work") == ["* OK [CLOSED] The mailbox is closed", "OK DELETE completed"]
    assert (await client.do("CHECK"))[-1].startswith("BAD ")


@pytest.mark.parametrize(("password", "ending"), [(PASSWORD, "OK [CAPABILITY"), ("wrong", "NO [AUTHENTICATIONFAILED]")])
async def test_scram_needs_no_password_on_the_wire(password: str, ending: str) -> None:
    salt = b"0123456789abcdef"
    keys = make_scram(PASSWORD, salt, 4096)
    fields = [base64.b64encode(salt), b"4096", *map(base64.b64encode, keys)]
    world = World()
    await world.start(scram=b"$".join(fields).decode())
    client = world.connect()
    await client.next_line()
    machine = choose_client(["SCRAM-SHA-256"], LOGIN, password, plaintext=False)
    assert machine is not None
    client.send(b"a1 AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(machine.initial() or b"") + b"\r\n")
    while (line := await client.next_line()).startswith("+ "):
        client.send(base64.b64encode(machine.step(base64.b64decode(line[2:]))) + b"\r\n")
    assert line.startswith(f"a1 {ending}")
    assert machine.done is (password == PASSWORD)
    await world.stop()


async def test_attack_who_never_pauses_has_no_longer_to_log_in(world: World) -> None:
    client = world.connect()
    await client.next_line()
    world.clock.advance(world.settings.imap.login_timeout_s + 1)
    assert (await client.do("NOOP"))[-1].startswith("OK")
    assert (await client.next_line()).startswith("* BYE")
    assert client.transport.closed
