"""What every resolver promises (interfaces/resolver.py): by a real DNS server, and by the table that tests use."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.backends.dns import DnsResolver
from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Mx, Resolver
from posthouse.model.tls_policy import Tlsa
from support.knot import Knot
from support.zone import Zone

LONG = "v=DKIM1; p=" + "A" * 1900
RECORDS = {
    ("faraway.test", "MX"): ["20 b.faraway.test", "10 a.faraway.test", "10 c.faraway.test"],
    ("faraway.test", "TXT"): ["v=spf1 -all"],
    ("a.faraway.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("a.faraway.test", "AAAA"): ["2001:db8::1"],
    ("b.faraway.test", "A"): ["192.0.2.3"],
    ("c.faraway.test", "AAAA"): ["2001:db8::3"],
    ("alias.faraway.test", "CNAME"): ["a.faraway.test"],
    ("null.test", "MX"): ["0 ."],
    ("long.test", "TXT"): [LONG],
    ("192.0.2.1", "PTR"): ["a.faraway.test"],
    ("2001:db8::1", "PTR"): ["a.faraway.test"],
    ("_25._tcp.a.faraway.test", "TLSA"): ["3 1 1 " + "ab" * 32],
}


@pytest.fixture(scope="module")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knot]:
    with Knot(tmp_path_factory.mktemp("knot"), RECORDS) as server:
        yield server


@pytest.fixture(params=["memory", "dns"])
async def resolver(request: pytest.FixtureRequest) -> Resolver:
    if request.param == "memory":
        return MemoryResolver(RECORDS)
    return DnsResolver([request.getfixturevalue("knot").address])


async def test_mx_records_come_by_preference_without_final_dots(resolver: Resolver) -> None:
    expected = [Mx(10, "a.faraway.test"), Mx(10, "c.faraway.test"), Mx(20, "b.faraway.test")]
    assert list(await resolver.mx("faraway.test")) == expected
    assert list(await resolver.mx("FarAway.TEST")) == expected


async def test_a_null_mx_is_one_entry_with_a_dot(resolver: Resolver) -> None:
    assert list(await resolver.mx("null.test")) == [Mx(0, ".")]


async def test_addresses_are_of_both_families(resolver: Resolver) -> None:
    found = list(await resolver.addresses("a.faraway.test"))
    assert found[0] == "2001:db8::1"
    assert sorted(found[1:]) == ["192.0.2.1", "192.0.2.2"]
    assert list(await resolver.addresses("b.faraway.test")) == ["192.0.2.3"]
    assert list(await resolver.addresses("c.faraway.test")) == ["2001:db8::3"]


async def test_one_family_alone(resolver: Resolver) -> None:
    assert sorted(await resolver.a("a.faraway.test")) == ["192.0.2.1", "192.0.2.2"]
    assert list(await resolver.aaaa("a.faraway.test")) == ["2001:db8::1"]
    assert list(await resolver.aaaa("b.faraway.test")) == []
    assert list(await resolver.a("nowhere.test")) == []


async def test_texts_are_joined_however_long(resolver: Resolver) -> None:
    assert list(await resolver.txt("faraway.test")) == ["v=spf1 -all"]
    assert list(await resolver.txt("long.test")) == [LONG]


async def test_tlsa_records(resolver: Resolver) -> None:
    assert list(await resolver.tlsa("_25._tcp.a.faraway.test")) == [Tlsa(3, 1, 1, b"\xab" * 32)]
    assert list(await resolver.tlsa("_25._tcp.b.faraway.test")) == []


async def test_what_no_validator_has_looked_at_is_not_authentic(resolver: Resolver) -> None:
    assert not await resolver.authentic("faraway.test", "MX")
    assert not await resolver.authentic("nowhere.test", "MX")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
async def test_names_of_addresses(resolver: Resolver, address: str) -> None:
    assert list(await resolver.ptr(address)) == ["a.faraway.test"]


async def test_what_a_name_is_an_alias_of(resolver: Resolver) -> None:
    assert await resolver.cname("alias.faraway.test") == "a.faraway.test"
    assert await resolver.cname("a.faraway.test") == await resolver.cname("nobody.faraway.test") == ""


async def test_no_such_name_and_no_such_record_are_empty_and_told_apart(resolver: Resolver) -> None:
    for name in ("nowhere.test", "b.faraway.test"):
        assert list(await resolver.mx(name)) == []
        assert list(await resolver.txt(name)) == []
    assert list(await resolver.addresses("nowhere.test")) == []
    assert list(await resolver.ptr("192.0.2.77")) == []
    assert await resolver.exists("faraway.test")
    assert await resolver.exists("b.faraway.test")
    assert not await resolver.exists("nowhere.test")


@pytest.mark.parametrize(
    "name", ["back\\slash\\999.test", "a" * 64 + ".test", ".".join(["a" * 60] * 5) + ".test", "two..dots.test", "", "ü.test"]
)
async def test_names_that_cannot_be_are_no_failure(resolver: Resolver, name: str) -> None:
    assert list(await resolver.mx(name)) == []
    assert list(await resolver.addresses(name)) == []


# --- what only the real one has


async def test_a_server_that_is_not_there_is_a_temporary_failure_within_the_budget() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = DnsResolver([f"127.0.0.1:{silent.getsockname()[1]}"], budget_s=0.4)
        started = time.monotonic()
        with pytest.raises(Temporary) as failure:
            await resolver.mx("faraway.test")
    assert time.monotonic() - started < 4.0
    assert failure.value.enhanced == "4.4.3"


async def test_a_server_that_refuses_is_a_temporary_failure(knot: Knot) -> None:
    with pytest.raises(Temporary):
        await DnsResolver([knot.address], budget_s=0.5).mx("example.com")


async def test_the_next_server_is_asked_when_one_is_dead(knot: Knot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.backends.dns.TRY_S", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    resolver = DnsResolver([f"127.0.0.1:{port}", knot.address])
    assert len(await resolver.mx("faraway.test")) == 3


async def test_answers_are_kept_for_their_time_absence_too(tmp_path: Path) -> None:
    with Knot(tmp_path / "knot", RECORDS) as server:
        resolver = DnsResolver([server.address], budget_s=0.3)
        first = await resolver.mx("faraway.test"), await resolver.txt("nowhere.test"), await resolver.mx("b.faraway.test")
        server.stop()
        assert (
            await resolver.mx("faraway.test"),
            await resolver.txt("nowhere.test"),
            await resolver.mx("b.faraway.test"),
        ) == first
        with pytest.raises(Temporary):
            await resolver.addresses("a.faraway.test")


async def test_other_name_servers_are_asked_and_what_the_old_ones_said_is_forgotten(knot: Knot) -> None:
    with Zone() as other:
        other.add("faraway.test", "MX", "10 moved.faraway.test.")
        resolver = DnsResolver([knot.address])
        assert len(await resolver.mx("faraway.test")) == 3
        late = asyncio.create_task(resolver.mx("b.faraway.test"))
        await asyncio.sleep(0)
        resolver.use([other.address])
        assert list(await resolver.mx("faraway.test")) == [Mx(10, "moved.faraway.test")]
        await late
        other.add("b.faraway.test", "MX", "10 moved.faraway.test.")
        assert list(await resolver.mx("b.faraway.test")) == [Mx(10, "moved.faraway.test")], "the old answer came too late"


async def test_that_an_address_has_no_name_is_known_for_a_moment_whatever_the_server_leaves_out() -> None:
    with Zone() as server:
        resolver = DnsResolver([server.address])
        assert list(await resolver.ptr("192.0.2.77")) == []
        server.add("77.2.0.192.in-addr.arpa", "PTR", "late.faraway.test.")
        assert list(await resolver.ptr("192.0.2.77")) == []


async def test_one_question_asked_by_many_at_once_goes_out_once() -> None:
    questions = 0

    class Counting(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            nonlocal questions
            questions += 1

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Counting, ("127.0.0.1", 0))
    resolver = DnsResolver([f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"], budget_s=0.4)
    results = await asyncio.gather(*(resolver.mx("faraway.test") for _ in range(50)), return_exceptions=True)
    transport.close()
    assert all(isinstance(result, Temporary) for result in results)
    assert questions == 1


async def test_a_flood_of_questions_is_bounded() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = DnsResolver([f"127.0.0.1:{silent.getsockname()[1]}"], budget_s=0.5)
        asked = (resolver.txt(f"n{number}.test") for number in range(2300))
        results = await asyncio.gather(*asked, return_exceptions=True)
    overload = [result for result in results if isinstance(result, Temporary) and result.cause == "resolver overloaded"]
    assert len(results) == 2300
    assert len(overload) == 2300 - 2000


@pytest.mark.parametrize(
    ("dead", "others"),
    [
        ("h{}.evil.test", "h{}.good.test"),
        ("h{}.evil.co.test", "h{}.good.co.test"),
        ("1.{}.2.203.in-addr.arpa", "1.{}.3.203.in-addr.arpa"),
        ("1.{}.0.8.b.d.0.1.0.0.2.ip6.arpa", "1.{}.0.9.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)  # fmt: skip
async def test_a_dead_zone_does_not_use_up_what_others_need(dead: str, others: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = DnsResolver([f"127.0.0.1:{silent.getsockname()[1]}"], budget_s=0.3)
        asked = (
            resolver.txt(pattern.format(number))
            for pattern in (dead, others)
            for number in range(300 if pattern is dead else 50)
        )
        results = await asyncio.gather(*asked, return_exceptions=True)
    overload = [result.cause == "resolver overloaded" for result in results if isinstance(result, Temporary)]
    assert sum(overload[:300]) == 300 - 128
    assert sum(overload[300:]) == 0


async def test_attack_names_that_are_kept_dead_do_not_pass_for_dead_servers() -> None:
    with Zone() as zone:
        zone.silence("dead.test")
        zone.add("alive.test", "MX", "10 mx.alive.test.")
        resolver = DnsResolver([zone.address], budget_s=0.1)
        for turn in range(3):
            asked = (resolver.txt(f"n{number}.t{turn}.dead.test") for number in range(20))
            assert all(isinstance(result, Temporary) for result in await asyncio.gather(*asked, return_exceptions=True))
        assert list(await resolver.mx("alive.test")) == [Mx(10, "mx.alive.test")]


async def test_what_could_not_be_answered_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Zone() as zone:
        zone.silence("dead.test")
        resolver = DnsResolver([zone.address], budget_s=0.1)
        for _ in range(20):
            with pytest.raises(Temporary):
                await resolver.mx("dead.test")
        assert zone.asked["dead.test"] == 1
        assert list(await resolver.mx("alive.test")) == []
        monkeypatch.setattr("posthouse.backends.dns.time.monotonic", lambda: time.time() + 1e6)
        with pytest.raises(Temporary):
            await resolver.mx("dead.test")
        assert zone.asked["dead.test"] == 2


async def test_when_all_servers_are_silent_questions_fail_at_once_until_one_is_tried_again(
    knot: Knot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.backends.dns.SILENCE_S", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = DnsResolver([f"127.0.0.1:{silent.getsockname()[1]}"], budget_s=0.1)
        asked = (resolver.txt(f"n{number}.test") for number in range(5))
        assert all(isinstance(result, Temporary) for result in await asyncio.gather(*asked, return_exceptions=True))
        started = time.monotonic()
        for number in range(100):
            with pytest.raises(Temporary) as failure:
                await resolver.txt(f"m{number}.test")
        assert time.monotonic() - started < 3.0, "far less than the budget of each"
        assert failure.value.cause == "no name server has answered for some seconds"
        tried = await _until_tried(resolver)
    assert "no name server" not in tried


async def _until_tried(resolver: DnsResolver) -> str:
    """The cause of the first failure that is not the quick one: a question went out again."""
    while True:
        try:
            await resolver.txt("again.test")
        except Temporary as error:
            if not error.cause.startswith("no name server"):
                return error.cause
        await asyncio.sleep(0.02)


async def test_servers_that_answer_again_are_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.backends.dns.SILENCE_S", 0.05)
    monkeypatch.setattr("posthouse.backends.dns.SILENCES", 1)
    monkeypatch.setattr("posthouse.backends.dns.FAILURE_KEPT_S", 0.01)
    with Knot(tmp_path / "knot", RECORDS) as server:
        server.stop()
        resolver = DnsResolver([server.address], budget_s=0.2)
        with pytest.raises(Temporary):
            await resolver.txt("faraway.test")
        server.start()
        for _ in range(300):
            try:
                assert list(await resolver.txt("faraway.test")) == ["v=spf1 -all"]
                break
            except Temporary:
                await asyncio.sleep(0.01)
        assert len(await resolver.mx("faraway.test")) == 3
