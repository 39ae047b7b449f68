"""The gate between workers and steward: calls, errors, order, restart of the steward, bounds, the cutting of frames."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.sqlite import gate_client
from posthouse.backends.sqlite.frames import HEADER, MAX_FRAME_BYTES, FrameReader, decode, encode, pack_error, unpack_error
from posthouse.backends.sqlite.gate import GateServer
from posthouse.backends.sqlite.gate_client import BROKEN, GateClient
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.errors import AlreadyExists, BadValue, MailError, NoSpace, NotFound, Permanent, Temporary


class Steward:
    """A gate server with its writer, and handlers that a test can hold back."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Any] = []
        self.heard = asyncio.Event()
        self.release = asyncio.Event()
        self.writer = MailWriterThread(folder / "mail.db")
        self.path = folder / "run" / "gate.sock"
        calls = {"echo": self._echo, "held": self._held, "refuse": self._refuse}
        self.server = GateServer(self.path, self.writer, calls=calls, tells={"trace": self._tell})

    async def _echo(self, arguments: Any) -> Any:
        return arguments

    async def _held(self, arguments: Any) -> Any:
        self.heard.set()
        await self.release.wait()
        return arguments

    async def _refuse(self, arguments: Any) -> Any:
        raise Permanent("No", code=554, enhanced="5.7.0", imap_code="NOPERM", cause=str(arguments))

    def _tell(self, payload: Any) -> None:
        self.told.append(payload)
        self.heard.set()

    async def start(self) -> None:
        self.writer.start()
        await self.server.start()

    async def stop(self) -> None:
        self.writer.stop()
        await self.server.stop()


@asynccontextmanager
async def gate(folder: Path) -> AsyncIterator[tuple[Steward, GateClient]]:
    steward = Steward(folder)
    await steward.start()
    client = GateClient(steward.path)
    try:
        yield steward, client
    finally:
        await client.close()
        await steward.stop()


async def test_units_come_back_with_their_results_whatever_the_order(tmp_path: Path) -> None:
    async with gate(tmp_path) as (_, client):
        names = [f"box{number}" for number in range(100)]
        made = await asyncio.gather(*(client.call("create", [1, name, "", 1000, None]) for name in names))
        assert len(set(made)) == 100
        echoed = await asyncio.gather(*(client.call("echo", [number, b"x" * number]) for number in range(300)))
        assert echoed == [[number, b"x" * number] for number in range(300)]


async def test_errors_come_across_as_what_they_are(tmp_path: Path) -> None:
    async with gate(tmp_path) as (_, client):
        with pytest.raises(NotFound):
            await client.call("append", [99, [], None, ""])
        await client.call("create", [1, "x", "", 100, None])
        with pytest.raises(AlreadyExists) as exists:
            await client.call("create", [1, "x", "", 100, None])
        assert exists.value.imap_code == "ALREADYEXISTS"
        with pytest.raises(Permanent) as refused:
            await client.call("refuse", 7)
        assert (refused.value.code, refused.value.imap_code, refused.value.cause) == (554, "NOPERM", "7")
        with pytest.raises(BadValue):
            await client.call("no such kind", [])


@pytest.mark.parametrize(
    "error",
    [
        NoSpace("why"),
        NotFound("a", cause="b"),
        AlreadyExists("a"),
        BadValue("a", cause="ü"),
        Temporary("t", code=421, enhanced="4.2.1", imap_code="INUSE", cause="c"),
        Permanent("p", code=552, enhanced="5.2.2", imap_code="LIMIT"),
    ],
)
def test_every_error_survives_packing(error: MailError) -> None:
    again = unpack_error(decode(encode(pack_error(error))))
    assert type(again) is type(error) and str(again) == str(error)
    assert (again.public, again.code, again.imap_code, again.cause) == (error.public, error.code, error.imap_code, error.cause)


async def test_what_is_told_arrives_in_order_even_if_told_before_the_steward_is_there(tmp_path: Path) -> None:
    steward = Steward(tmp_path)
    client = GateClient(steward.path)
    for number in range(5):
        client.tell("trace", {"n": number})
    await steward.start()
    await client.call("echo", 1)
    client.tell("trace", "last")
    client.tell("nobody listens", "dropped")
    await client.call("echo", 2)
    assert steward.told == [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}, "last"]
    await client.close()
    await steward.stop()


async def test_only_what_is_watched_is_told_of_and_before_the_answer(tmp_path: Path) -> None:
    steward = Steward(tmp_path)
    await steward.start()
    heard: list[tuple[str, dict[str, Any]]] = []
    watcher = GateClient(steward.path, lambda topic, payload: heard.append((topic, dict(payload))))
    other = GateClient(steward.path)
    one, two = [await other.call("create", [1, name, "", 100, None]) for name in "ab"]
    watcher.watch("mailbox", one, on=True)
    await watcher.call("echo", 0)
    await other.call("store_flags", [two, [[1, 1]], "add", ["word"], None])
    await other.call("store_flags", [one, [[1, 1]], "add", ["word"], None])
    await watcher.call("store_flags", [one, [[1, 1]], "add", ["other"], None])
    told = ("mailbox", {"mailbox_id": one, "account_id": 1, "mod_seq": 1})
    assert heard == [told, told]  # its own change before its answer
    watcher.watch("mailbox", one, on=False)
    watcher.watch("account", 2, on=True)
    watcher.watch("names", 0, on=True)
    await watcher.call("echo", 0)
    await other.call("store_flags", [one, [[1, 1]], "add", ["third"], None])
    await other.call("subscribe", [2, "x", True, 100])
    await other.call("create", [1, "c", "", 100, None])
    await watcher.call("echo", 0)
    assert [payload["account_id"] for _, payload in heard[2:]] == [2, 1] and heard[-1][1]["names"]
    await other.close()
    await watcher.close()
    await steward.stop()


async def test_what_is_watched_is_watched_at_the_next_steward_too(tmp_path: Path) -> None:
    first = Steward(tmp_path)
    await first.start()
    heard: list[str] = []
    client = GateClient(first.path, lambda topic, _: heard.append(topic))
    made = await client.call("create", [1, "a", "", 100, None])
    client.watch("mailbox", made, on=True)
    under_way = asyncio.ensure_future(client.call("held", 1))
    await first.heard.wait()
    await first.stop()
    with pytest.raises(Temporary):
        await under_way
    second = Steward(tmp_path)
    await second.start()
    await client.call("store_flags", [made, [[1, 1]], "add", ["word"], None])
    assert heard == ["lost", "mailbox"]
    await client.close()
    await second.stop()


async def test_answers_larger_than_the_socket_takes_arrive_whole(tmp_path: Path) -> None:
    async with gate(tmp_path) as (_, client):
        made = await client.call("create", [1, "a", "", 100, None])
        large = [bytes([number]) * 3_000_000 for number in range(5)]
        answers = await asyncio.gather(
            *(client.call("echo", octets) for octets in large),
            *(client.call("store_flags", [made, [[1, 1]], "add", [], None]) for _ in range(50)),
        )
        assert answers[:5] == large and len(answers) == 55


async def test_calls_under_way_fail_when_the_steward_goes_and_later_ones_reach_the_next(tmp_path: Path) -> None:
    first = Steward(tmp_path)
    await first.start()
    client = GateClient(first.path)
    under_way = asyncio.ensure_future(client.call("held", 1))
    await first.heard.wait()
    await first.stop()
    with pytest.raises(Temporary) as error:
        await under_way
    assert error.value.cause == BROKEN
    waiting = asyncio.ensure_future(client.call("echo", "to the next"))
    second = Steward(tmp_path)
    await second.start()
    assert await waiting == "to the next"
    await client.close()
    await second.stop()


async def test_without_a_steward_calls_are_refused_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_client, "WAIT_S", 0.01)
    client = GateClient(tmp_path / "nowhere.sock")
    with pytest.raises(Temporary):
        await client.call("echo", 1)
    await client.close()
    with pytest.raises(Temporary):
        await client.call("echo", 1)


async def test_octets_under_way_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_client, "MAX_IN_FLIGHT_BYTES", 1000)
    async with gate(tmp_path) as (steward, client):
        assert await client.call("echo", b"x" * 5000) == b"x" * 5000  # alone, even a large one may pass
        held = asyncio.ensure_future(client.call("held", b"y" * 900))
        await steward.heard.wait()
        with pytest.raises(Temporary):
            await client.call("echo", b"z" * 200)
        assert await client.call("echo", b"z") == b"z"
        steward.release.set()
        assert await held == b"y" * 900
        assert await client.call("echo", b"z" * 900) == b"z" * 900


async def test_a_cancelled_call_leaves_the_connection_in_order(tmp_path: Path) -> None:
    async with gate(tmp_path) as (steward, client):
        held = asyncio.ensure_future(client.call("held", 1))
        await steward.heard.wait()
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        steward.release.set()
        assert await client.call("echo", 2) == 2


async def test_only_the_owner_can_connect(tmp_path: Path) -> None:
    async with gate(tmp_path) as (steward, _):
        assert stat.S_IMODE(steward.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(steward.path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "mail.db").stat().st_mode) == 0o600
    assert not steward.path.exists()


@pytest.mark.parametrize("junk", [HEADER.pack(3) + b"\xc1\xc1\xc1", HEADER.pack(MAX_FRAME_BYTES + 1), HEADER.pack(1) + b"\x01"])
async def test_junk_closes_its_connection_only(tmp_path: Path, junk: bytes) -> None:
    async with gate(tmp_path) as (steward, client):
        assert await client.call("echo", 1) == 1
        reader, writer = await asyncio.open_unix_connection(str(steward.path))
        writer.write(junk)
        assert await reader.read() == b""
        writer.close()
        assert await client.call("echo", 2) == 2


@given(frames=st.lists(st.binary(max_size=300), max_size=12), cuts=st.lists(st.integers(1, 200), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(HEADER.pack(len(frame)) + frame for frame in frames)
    reader, at, turn = FrameReader(), 0, 0
    found: list[bytes] = []
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found.extend(bytes(frame) for frame in reader.feed(stream[at : at + size]))
        at, turn = at + size, turn + 1
    assert found == frames
