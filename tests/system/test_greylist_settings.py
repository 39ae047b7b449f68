"""Each of greylisting's settings changes what a stranger is told, on a running node over real sockets (GRY-2)."""

from __future__ import annotations

import base64
import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from support.asking import Asking
from support.greylisted import MESSAGE, Attempt, greylisting
from support.node import PASSWORD, Node, running, until
from support.signing import keypair, with_signature
from support.zone import Zone

WAIT = "450 4.7.1 mailbox temporarily unavailable"
JANE, OMAR = "jane@example.test", "omar@example.org"
LONG_S = 60.0
FRESH = itertools.count(1)
BASE = {"earliest_s": "0s", "latest_s": "10min", "auto_allow": "0", "exempt_reputation": "0"}
"""A retry counts at once, and nothing but what a test sets lets anybody in."""


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    with Zone() as made:
        made.add("spf.test", "TXT", '"v=spf1 ip4:198.51.100.0/24 -all"')
        made.add("s1._domainkey.signed.test", "TXT", f'"{keypair("ed25519").record}"')
        made.add_host("mx.friend.test", "203.0.113.80")
        yield made


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, zone: Zone) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("settings"), services=("smtp",), workers=1, extra=zone.toml) as made:
        made.run("setting", "import", stdin="mailauth.verify = on\nauth.plaintext = on\n")
        yield made


@pytest.fixture(scope="module")
def site(node: Node) -> Site:
    made = Site(node)
    greylisting(node, **BASE)
    node.run("setting", "import", stdin="mailauth.verify = on\nlookup.greeting_timeout_s = 10s\n")
    until(lambda: made.says(stranger()) == WAIT, LONG_S)
    return made


class Site:
    """The node, and who comes to it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.ask = Asking(node).ask

    def says(self, attempt: Attempt) -> str:
        return attempt.at(self._node.ports["smtp"])

    def lets_in(self, attempt: Attempt) -> bool:
        return self.says(attempt).startswith("250")

    def puts_off(self, attempt: Attempt) -> bool:
        return self.says(attempt) == WAIT

    def defaults(self) -> dict[str, str]:
        return {row["key"].partition(".")[2]: row["default"] for row in self.ask("setting", "list", "greylist")}

    @contextlib.contextmanager
    def having(self, **settings: str) -> Iterator[None]:
        """With other settings of the group; afterwards they are as they were, at the node's one worker too."""
        for key, value in settings.items():
            self.ask("setting", "set", f"greylist.{key}", *value.split())
        try:
            yield
        finally:
            for key in settings:
                self.ask("setting", "reset", f"greylist.{key}")
                if key in BASE:
                    self.ask("setting", "set", f"greylist.{key}", BASE[key])

    def knows(self, attempt: Attempt) -> bool:
        """Whether a stranger waits and the retry is let in."""
        return self.puts_off(attempt) and self.lets_in(attempt)


def stranger(**known: str) -> Attempt:
    """From a sender and a network that were never seen, as far as they are not named."""
    number = next(FRESH)
    fresh = Attempt(f"s{number}@elsewhere.test", JANE, f"100.{64 + number // 250}.{number % 250}.9")
    return replace(fresh, **known)


@pytest.mark.spec("GRY-2")
@pytest.mark.spec_part("GRY-1")
def test_each_setting_of_greylisting_does_what_it_says(site: Site) -> None:
    defaults = {
        "earliest_s": "300.0", "latest_s": "43200.0", "lifetime_s": "3110400.0", "ignore_recipient": "off", "ipv4_bits": "24",
        "ipv6_bits": "64", "exempt_authenticated": "on", "exempt_relays": "on", "exempt_spf": "off",
    }  # fmt: skip
    assert defaults.items() <= site.defaults().items()
    a_retry_before_the_window_waits(site)
    a_retry_behind_the_window_waits(site)
    a_triplet_ends_that_is_unused_for_its_lifetime(site)
    the_recipient_counts_unless_it_is_ignored(site)
    clients_are_compared_by_network(site, "ipv4_bits", ("198.18.4.1", "198.18.4.2"), ("198.19.1.1", "198.19.2.1"), "32", "16")
    near, far = ("2001:db8:0:9::1", "2001:db8:0:9:8::2"), ("2001:db8:1:1::1", "2001:db8:1:2::1")
    clients_are_compared_by_network(site, "ipv6_bits", near, far, "128", "48")
    spared_by(site, lambda: stranger(sender="friend@else.test"), allowed_senders="x@else.test friend@else.test")
    spared_by(site, lambda: stranger(sender=f"s{next(FRESH)}@sub.else.test"), allowed_senders="else.test")
    spared_by(site, lambda: stranger(address="203.0.113.70"), allowed_senders="203.0.113.64/28")
    spared_by(site, lambda: stranger(address="203.0.113.80"), allowed_senders="friend.test")
    for listed in (JANE, "example.test", "jane@"):
        spared_by(site, stranger, exempt_recipients=f"paul@example.test {listed}")
    clients_that_logged_in_wait_only_if_that_is_set(site)
    relay_listed_clients_wait_only_if_that_is_set(site)
    spared_by(site, lambda: stranger(sender=f"s{next(FRESH)}@spf.test", address="198.51.100.9"), exempt_spf="on")
    domains_of_signed_mail_are_spared_where_it_came_from(site)
    clients_with_as_many_valid_triplets_as_are_set_are_spared(site)


def spared_by(site: Site, make: Callable[[], Attempt], **settings: str) -> None:
    """Those that ``make`` makes wait, but for the time of the settings; others wait all the time."""
    assert site.puts_off(make())
    with site.having(**settings):
        until(lambda: site.lets_in(make()), LONG_S)
        assert site.puts_off(stranger(sender=f"s{next(FRESH)}@spf.test", recipient=OMAR))
    until(lambda: site.puts_off(make()), LONG_S)


def a_retry_before_the_window_waits(site: Site) -> None:
    assert site.knows(stranger()), "the window begins at once"
    with site.having(earliest_s="5min"):
        until(lambda: not site.knows(stranger()), LONG_S)


def a_retry_behind_the_window_waits(site: Site) -> None:
    with site.having(earliest_s="1s", latest_s="1s"):
        until(lambda: not site.knows(stranger()), LONG_S)
        late = stranger()

        def is_told() -> bool:
            assert site.puts_off(late)
            return "came back after its time was over" in str(site.ask("mail", "trace", "--sender", late.sender))

        until(is_told, LONG_S, step_s=0.3)


def a_triplet_ends_that_is_unused_for_its_lifetime(site: Site) -> None:
    lasting = stranger()
    assert site.knows(lasting)
    with site.having(lifetime_s="1s"):
        used: list[Attempt] = []

        def ended() -> bool:
            used.append(stranger())
            assert site.knows(used[-1])
            return len(used) > 1 and site.puts_off(used[-2])

        until(ended, LONG_S, step_s=1.5)
    until(lambda: site.lets_in(lasting), LONG_S)


def the_recipient_counts_unless_it_is_ignored(site: Site) -> None:
    def is_known_for_both() -> bool:
        one = stranger()
        return site.knows(one) and site.lets_in(replace(one, recipient=OMAR))

    assert not is_known_for_both()
    with site.having(ignore_recipient="on"):
        until(is_known_for_both, LONG_S)


def clients_are_compared_by_network(
    site: Site, key: str, near: tuple[str, str], far: tuple[str, str], finer: str, coarser: str
) -> None:
    """``near`` are one client at first, but not when so many bits are compared as ``finer`` says; ``far`` are the reverse."""

    def are_one(addresses: tuple[str, str]) -> bool:
        one = stranger(address=addresses[0])
        return site.knows(one) and site.lets_in(replace(one, address=addresses[1]))

    assert are_one(near)
    assert not are_one(far)
    with site.having(**{key: finer}):
        until(lambda: not are_one(near), LONG_S)
    with site.having(**{key: coarser}):
        until(lambda: are_one(far), LONG_S)


def clients_that_logged_in_wait_only_if_that_is_set(site: Site) -> None:
    token = base64.b64encode(f"\0{JANE}\0{PASSWORD}".encode()).decode()
    jane = stranger(sender=JANE, recipient=OMAR, login=token)
    assert site.lets_in(jane)
    assert site.lets_in(jane)
    with site.having(exempt_authenticated="off"):
        until(lambda: site.puts_off(jane), LONG_S)


def relay_listed_clients_wait_only_if_that_is_set(site: Site) -> None:
    site.ask("setting", "set", "smtp.relay_networks", "203.0.113.128/25")
    until(lambda: site.lets_in(stranger(address="203.0.113.200")), LONG_S)
    with site.having(exempt_relays="off"):
        until(lambda: site.puts_off(stranger(address="203.0.113.200")), LONG_S)
    site.ask("setting", "reset", "smtp.relay_networks")


def domains_of_signed_mail_are_spared_where_it_came_from(site: Site) -> None:
    """Two messages with an aligned signature open the way for the third, unsigned or not, from there and not from elsewhere."""

    def member(**known: str) -> Attempt:
        return stranger(sender=f"s{next(FRESH)}@signed.test", **{"address": "198.18.200.1", **known})

    def is_spared() -> bool:
        site.ask("greylist", "forget", "--sender", "nobody@signed.test")  # and what a worker remembers
        return site.lets_in(member())

    with site.having(exempt_reputation="2", exempt_recipients=OMAR):
        for _ in range(2):
            one = member(recipient=OMAR)
            letter = MESSAGE.replace("lena@elsewhere.test", one.sender).encode()
            signed = with_signature(letter, keypair("ed25519").signer("signed.test"), time.time()).decode()
            until(lambda one=one, signed=signed: site.lets_in(replace(one, message=signed)), LONG_S)
        until(is_spared, LONG_S)
        assert site.puts_off(member(address=stranger().address)), "a name that anybody may put there"


def clients_with_as_many_valid_triplets_as_are_set_are_spared(site: Site) -> None:
    def are_spared_after(count: int) -> bool:
        client = stranger().address
        return all(site.knows(stranger(address=client)) for _ in range(count)) and site.lets_in(stranger(address=client))

    assert not are_spared_after(2)
    with site.having(auto_allow="2"):
        until(lambda: are_spared_after(2), LONG_S)
        assert not are_spared_after(1)
