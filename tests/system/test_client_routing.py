"""Where mail goes on a running node, seen by clients: relay control, aliases, plus-addressing, catch-all, loops, domains.

Rows NET-4, RTE-4, RTE-5, DIR-1, GRP-1. Mail for elsewhere ends in the queue, which is held so that nothing leaves.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from support.clients import message_of, subjects, trusting_tls
from support.node import PASSWORD, Node, running, until

JANE, OMAR = "jane@example.test", "omar@example.org"
STRANGER = "stranger@elsewhere.test"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("routing"), extra='[dns]\nnameservers = ["127.0.0.1:9"]\n') as started:
        for alias, *targets in (
            ("team@example.test", JANE, OMAR, JANE),
            ("all@example.test", "team@example.test", "sales@example.org"),
            ("sales@example.org", OMAR),
            ("ring1@example.test", "ring2@example.test"),
            ("ring2@example.test", "ring1@example.test"),
            ("half@example.test", "ring1@example.test", JANE),
            ("away@example.test", "jane@elsewhere.test", JANE),
        ):
            started.run("alias", "add", alias, *targets)
        started.run("setting", "set", "auth.failure_delay_s", "0.1")
        started.run("domain", "add", "catch.test", "--catch-all", OMAR)
        started.add_user("known@catch.test")
        yield started


def send(node: Node, subject: str, *recipients: str, sender: str = STRANGER) -> dict[str, tuple[int, bytes]]:
    with node.smtp() as client:
        return client.sendmail(sender, recipients, f"From: {sender}\r\nSubject: {subject}\r\n\r\nx\r\n")


def counts(node: Node, subject: str) -> tuple[int, int]:
    """How many copies jane and omar have in INBOX."""
    return subjects(node, JANE).count(subject), subjects(node, OMAR).count(subject)


def queued(node: Node) -> dict[str, str]:
    """Recipients in the queue, with the sender of their mail."""
    return {recipient: row["sender"] for row in node.json("queue", "list") for recipient in row["recipients"]}


OPEN_RELAY_TRIES = [
    "victim@victim.test",
    "victim%victim.test@example.test",
    "victim!example.test@victim.test",
    "victim.test!victim@example.test",
    '"victim@victim.test"@example.test',
    '"victim%victim.test"@example.test',
    "@example.test:victim@victim.test",
    "victim@victim.test@example.test",
    "victim@[192.0.2.77]",
    "victim@example.test.victim.test",
    "victim@notexample.test",
]


@pytest.mark.spec_part("NET-4", "INB-9")
@pytest.mark.parametrize("recipient", OPEN_RELAY_TRIES)
def test_no_trick_with_addresses_relays(node: Node, recipient: str) -> None:
    with node.smtp() as client:
        client.ehlo()
        for sender in (STRANGER, JANE, "", "postmaster@mx.example.test"):
            assert client.mail(sender)[0] == 250
            code, _ = client.docmd(f"RCPT TO:<{recipient}>")
            assert code in (501, 550, 553), (sender, code)
            assert client.docmd("DATA")[0] in (503, 554)
            assert client.rset()[0] == 250
    assert not any("victim" in address or address == recipient for address in queued(node))


@pytest.mark.spec_part("NET-4", "OUT-1")
def test_only_the_authenticated_user_may_send_elsewhere(node: Node) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(node, "relay", "someone@far.test", sender=JANE)
    with node.smtp("submission") as client:
        client.starttls(context=trusting_tls())
        client.login(JANE, PASSWORD)
        assert client.sendmail(JANE, ["someone@far.test"], f"From: {JANE}\r\nSubject: allowed\r\n\r\nx\r\n") == {}
    assert queued(node)["someone@far.test"] == JANE


@pytest.mark.spec_part("RTE-4")
def test_an_alias_and_an_alias_of_aliases_give_each_recipient_one_copy(node: Node) -> None:
    assert send(node, "to the team", "team@example.test") == {}
    assert counts(node, "to the team") == (1, 1)
    assert send(node, "to all", "all@example.test", JANE, "TEAM@Example.Test") == {}
    assert counts(node, "to all") == (1, 1)


@pytest.mark.spec_part("RTE-4")
def test_a_loop_of_aliases_is_refused_and_half_a_loop_delivers_the_other_half(node: Node) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(node, "round and round", "ring1@example.test")
    assert refused.value.recipients["ring1@example.test"][0] == 550
    assert send(node, "half a loop", "half@example.test") == {}
    assert counts(node, "half a loop") == (1, 0)


@pytest.mark.spec_part("RTE-4")
def test_an_alias_to_elsewhere_forwards_and_keeps_the_local_copy(node: Node) -> None:
    assert send(node, "forwarded", "away@example.test", sender="origin@elsewhere.test") == {}
    assert counts(node, "forwarded") == (1, 0)
    assert queued(node)["jane@elsewhere.test"] == "origin@elsewhere.test"


@pytest.mark.spec_part("RTE-4")
def test_plus_addressing_goes_into_the_mailbox_that_it_names_or_the_inbox(node: Node) -> None:
    with node.imap(JANE) as client:
        client.create("Lists/rust")
    assert send(node, "to a mailbox", "jane+Lists/rust@example.test") == {}
    assert send(node, "to no mailbox", "jane+nowhere@example.test") == {}
    assert send(node, "twice the same person", JANE, "jane+Lists/rust@example.test") == {}
    assert "to a mailbox" in subjects(node, JANE, "Lists/rust")
    assert counts(node, "to a mailbox") == (0, 0)
    assert counts(node, "to no mailbox") == (1, 0)
    assert (subjects(node, JANE) + subjects(node, JANE, "Lists/rust")).count("twice the same person") == 1


@pytest.mark.spec_part("RTE-4")
def test_catch_all_takes_what_the_domain_does_not_know(node: Node) -> None:
    assert send(node, "caught", "whoever@catch.test", "known@catch.test") == {}
    assert counts(node, "caught") == (0, 1)
    assert subjects(node, "known@catch.test") == ["caught"]
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(node, "not caught", "whoever@example.test")


@pytest.mark.spec_part("RTE-4")
def test_a_user_forwards_with_or_without_a_copy_and_in_circles_to_nobody(node: Node) -> None:
    for name in ("ada", "bea", "cid"):
        node.add_user(f"{name}@example.test")
    row = node.json("forward", "set", "ada@example.test", OMAR, "ada@elsewhere.test", "--keep")
    assert row == {"address": "ada@example.test", "targets": [OMAR, "ada@elsewhere.test"], "keep": True}
    until(lambda: send(node, "on and kept", "ada@example.test") == {} and "on and kept" in subjects(node, OMAR))
    assert "on and kept" in subjects(node, "ada@example.test")
    assert queued(node)["ada@elsewhere.test"] == STRANGER
    node.run("forward", "set", "ada@example.test", "bea@example.test")
    node.run("forward", "set", "bea@example.test", "cid@example.test", "--keep")
    until(lambda: send(node, "onward", "ada@example.test") == {} and "onward" in subjects(node, "cid@example.test"))
    assert "onward" in subjects(node, "bea@example.test")
    assert [row["address"] for row in node.json("forward", "list")] == ["ada@example.test", "bea@example.test"]
    node.run("forward", "set", "cid@example.test", "ada@example.test")
    node.run("forward", "set", "bea@example.test", "cid@example.test")

    def refused() -> bool:
        try:
            send(node, "in circles", "ada@example.test")
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients["ada@example.test"][0] == 550
        return False

    until(refused)
    assert node.run("forward", "set", JANE, JANE, check=False).returncode != 0
    for name in ("ada", "bea", "cid"):
        node.run("forward", "delete", f"{name}@example.test")
    until(lambda: send(node, "home again", "ada@example.test") == {} and "home again" in subjects(node, "ada@example.test"))


@pytest.mark.spec_part("RTE-4")
def test_a_list_of_all_kinds_of_addresses_is_expanded_before_routing_and_each_gets_one_copy(node: Node) -> None:
    """All of RTE-4 but groups of an LDAP server, which come with the directory."""
    node.run("route", "add", "routed.test", "127.0.0.1:9")
    node.add_user("fay@example.test")
    node.run("forward", "set", "fay@example.test", "fay@routed.test", JANE, "--keep")
    node.run("alias", "add", "inner@example.test", OMAR, "everyone@example.test", "fay@example.test")
    members = (
        JANE,
        "inner@example.test",
        "whoever@catch.test",
        "jane+Lists/rust@example.test",
        "fay@routed.test",
        "x@far.test",
    )
    node.run("alias", "add", "everyone@example.test", *members)
    row = next(row for row in node.json("alias", "list") if row["alias"] == "everyone@example.test")
    assert row["targets"] == list(members)

    until(
        lambda: send(node, "a first try", "everyone@example.test") == {} and "a first try" in subjects(node, "fay@example.test")
    )
    assert send(node, "to everyone", "everyone@example.test", "everyone+x@example.test", JANE, "fay@example.test") == {}
    assert counts(node, "to everyone") == (1, 1)
    assert subjects(node, "fay@example.test").count("to everyone") == 1
    row = max((row for row in node.json("queue", "list") if "x@far.test" in row["recipients"]), key=lambda row: row["queue_id"])
    assert sorted(row["recipients"]) == ["fay@routed.test", "x@far.test"]
    story = node.json("mail", "trace", "everyone@example.test")[0]
    told = " ".join(step["detail"] for event in story["events"] for step in event["steps"])
    assert "127.0.0.1:9" in told, "what a list has expanded to is routed"


@pytest.mark.spec("RTE-5")
@pytest.mark.parametrize("service", ["smtp", "lmtp"])
def test_delivery_over_smtp_or_lmtp_goes_straight_into_the_local_store(node: Node, service: str) -> None:
    subject = f"straight in by {service}."
    connect = smtplib.LMTP if service == "lmtp" else smtplib.SMTP
    with connect("127.0.0.1", node.ports[service]) as client:
        assert client.sendmail(STRANGER, [JANE], f"Subject: {subject}\r\n\r\nx\r\n") == {}
    assert counts(node, subject) == (1, 0)
    assert JANE not in queued(node)


@pytest.mark.spec_part("GRP-1")
def test_the_same_name_in_two_domains_is_two_people(node: Node) -> None:
    node.add_user("sam@example.test", "first secret")
    node.add_user("sam@example.org", "second secret")
    assert send(node, "for the first", "sam@example.test") == {}
    assert send(node, "for the second", "sam@example.org") == {}
    with node.imap("sam@example.test", "first secret") as first, node.imap("sam@example.org", "second secret") as second:
        assert [client.select()[1] for client in (first, second)] == [[b"1"], [b"1"]]
    with pytest.raises(Exception, match="AUTHENTICATIONFAILED"):
        node.imap("sam@example.test", "second secret")


@pytest.mark.spec("DIR-1")
def test_the_internal_directory_does_all_by_itself(node: Node) -> None:
    """Domain, account, alias, login, password change, disabling and deletion, with no other server in the node's reach."""
    node.run("domain", "add", "alone.test")
    node.add_user("lee@alone.test", "old secret")
    node.run("alias", "add", "info@alone.test", "lee@alone.test")
    assert send(node, "to lee", "info@alone.test") == {}
    node.run("user", "password", "lee@alone.test", "--password", "new secret")
    with pytest.raises(Exception, match="AUTHENTICATIONFAILED"):
        node.imap("lee@alone.test", "old secret")
    with node.imap("lee@alone.test", "new secret") as client:
        assert client.select() == ("OK", [b"1"])
    node.run("user", "set", "lee@alone.test", "--enabled", "off")
    with pytest.raises(Exception, match="AUTHENTICATIONFAILED"):
        node.imap("lee@alone.test", "new secret")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(node, "to a disabled user", "lee@alone.test")
    node.run("alias", "delete", "info@alone.test")
    node.run("user", "delete", "lee@alone.test")
    node.run("domain", "delete", "alone.test")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(node, "to nobody", "lee@alone.test")


def test_the_trace_tells_which_way_a_message_went(node: Node) -> None:
    assert send(node, "to be traced", "sales@example.org", sender="traced@elsewhere.test") == {}
    assert message_of(node, OMAR, "to be traced")
    story = until(lambda: node.run("mail", "trace", "--sender", "traced@elsewhere.test").stdout)
    assert "sales@example.org" in story
    assert OMAR in story
