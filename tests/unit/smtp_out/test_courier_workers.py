"""Workers that hand mail to other hosts for the steward: what goes across, and what happens when either of them ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.backends import courier_client, courier_frames
from posthouse.backends.courier_client import LARGE_BYTES, LOST, WorkersCourier
from posthouse.backends.courier_server import FAILED, CourierServer
from posthouse.backends.smtp_out import SmtpCourier
from posthouse.backends.sqlite.frames import HEADER
from posthouse.interfaces.courier import Answer, Parcel, Target, Unreachable
from posthouse.model.address import Address
from posthouse.model.envelope import DeliverBy, Recipient, Sender
from posthouse.model.route import Login
from posthouse.model.settings import QueueSettings
from posthouse.model.tls_policy import Tlsa, TlsPolicy, TlsResult
from support.scripted_host import ScriptedHost

TARGET = Target("mx.faraway.test", "192.0.2.1", 25)
RECIPIENTS = (Recipient(Address.parse("x@faraway.test"), frozenset({"DELAY", "FAILURE"}), "rfc822;x@b.test"),)
ONE = Parcel(Sender(Address.parse("jane@example.test")), RECIPIENTS, b"Subject: x\r\n\r\nbody\r\n")
TAKEN = Answer(250, "250 2.0.0 taken", notifies=True, by=True)
STRICT = TlsPolicy("dane", "faraway.test", records=(Tlsa(3, 1, 1, b"\0" * 32),), lines=("a",), hosts=("*.b",))


class Recorder:
    """A courier that notes what it is given and answers when it is let go."""

    def __init__(self, *, goes: bool = True, answer: Answer | Exception = TAKEN) -> None:
        self.given: list[tuple[Target, Parcel]] = []
        self.broken_off = 0
        self.closed = False
        self.go = asyncio.Event()
        self.answer = answer
        if goes:
            self.go.set()

    async def deliver(self, target: Target, parcel: Parcel) -> Sequence[Answer]:
        self.given.append((target, parcel))
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.broken_off += 1
            raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * len(parcel.recipients)

    async def probe(self, target: Target, recipient: Recipient) -> Answer:
        self.given.append((target, Parcel(Sender(None), (recipient,), b"")))
        return TAKEN

    async def close(self) -> None:
        self.closed = True


class Office:
    """A steward's courier and workers; ``own`` is the steward's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own = Recorder()
        self.workers: list[Recorder] = []
        self.servers: list[CourierServer] = []
        self.results: list[TlsResult] = []
        self.courier = WorkersCourier(self.own, [], self.results.append)

    async def open(self, *workers: Recorder) -> None:
        for number, worker in enumerate(workers):
            self.workers.append(worker)
            self.servers.append(CourierServer(self.path(number), worker))
            await self.servers[-1].start()
        paths = [self.path(number) for number in range(len(workers))]
        self.courier = WorkersCourier(self.own, paths, self.results.append)
        await self.until_up()

    def path(self, number: int) -> Path:
        return self.folder / f"worker-{number}.sock"

    async def until_up(self) -> None:
        async with asyncio.timeout(60):
            while not all(worker.is_up() for worker in self.courier._workers):
                await asyncio.sleep(0.001)

    async def until(self, condition: object) -> None:
        assert callable(condition)
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        await self.courier.close()
        for server in self.servers:
            await server.close(0.0)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path)
    yield made
    await made.close()


async def test_all_that_a_host_must_be_told_goes_across_and_its_answer_comes_back(office: Office) -> None:
    worker = Recorder()
    await office.open(worker)
    target = Target("b.test", "2001:db8::1", 2525, "lmtp", "required", STRICT, Login("us", "secret"))
    sender = Sender(Address.parse("jané@exämple.test"), 9, "8BITMIME", True, True, "HDRS", "id", "jane", by=DeliverBy(60, True))
    parcel = Parcel(sender, (*RECIPIENTS, Recipient(Address.parse("y@b.test"), verified_tls=True)), bytes(range(256)))
    assert await office.courier.deliver(target, parcel) == [TAKEN, TAKEN]
    assert worker.given == [(target, parcel)]
    assert office.own.given == []


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("gone"),
        Unreachable("no", never=True),
        Unreachable("x", lacking="5.7.30"),
        Unreachable("y", silent=True),
        Unreachable("z", pushes_back=True),
    ],
)
async def test_a_host_that_cannot_be_reached_is_told_as_such(office: Office, error: Unreachable) -> None:
    await office.open(Recorder(answer=error))
    with pytest.raises(Unreachable) as caught:
        await office.courier.deliver(TARGET, ONE)
    assert vars(caught.value) == vars(error)


async def test_without_workers_with_large_mail_and_for_probes_the_steward_goes_itself(office: Office) -> None:
    nobody = WorkersCourier(office.own, [office.path(7)], office.results.append)
    assert await nobody.deliver(TARGET, ONE) == [TAKEN]
    await nobody.close()
    await office.open(Recorder())
    large = Parcel(ONE.sender, ONE.recipients, b"x" * LARGE_BYTES)
    assert await office.courier.deliver(TARGET, large) == [TAKEN]
    assert await office.courier.probe(TARGET, RECIPIENTS[0]) == TAKEN
    assert len(office.own.given) == 3 and office.workers[0].given == []


async def test_a_busy_host_is_spread_evenly_and_a_quiet_one_stays_with_one_worker(office: Office) -> None:
    workers = [Recorder(goes=False) for _ in range(3)]
    await office.open(*workers)
    tasks = [asyncio.create_task(office.courier.deliver(TARGET, ONE)) for _ in range(10)]
    await office.until(lambda: sum(len(worker.given) for worker in workers) == 10)
    assert sorted(len(worker.given) for worker in workers) == [3, 3, 4]
    for worker in workers:
        worker.go.set()
    assert await asyncio.gather(*tasks) == [[TAKEN]] * 10
    for number in range(30):
        for worker in workers:
            worker.given.clear()
        for _ in range(3):
            await office.courier.deliver(Target("h", f"192.0.2.{number}", 25), ONE)
        assert sorted(len(worker.given) for worker in workers) == [0, 0, 3]


async def test_when_a_worker_dies_what_it_had_may_come_twice_and_the_rest_goes_on(office: Office) -> None:
    stuck = Recorder(goes=False)
    await office.open(stuck)
    task = asyncio.create_task(office.courier.deliver(TARGET, ONE))
    await office.until(lambda: stuck.given)
    for connection in office.servers[0].connections.copy():
        connection.close()
    assert await task == [LOST] and LOST.code == 450
    await office.until(lambda: stuck.broken_off == 1)
    assert await office.courier.deliver(TARGET, ONE) == [TAKEN]
    assert len(office.own.given) == 1


async def test_a_worker_that_comes_again_is_used_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_client, "RETRY_S", 0.0)
    await office.open(Recorder())
    _, answers = await asyncio.gather(office.servers[0].close(10.0), office.courier.deliver(TARGET, ONE))
    assert answers == [TAKEN]
    assert len(office.own.given) == 1
    again = Recorder()
    office.servers.append(CourierServer(office.path(0), again))
    await office.servers[-1].start()
    await office.until_up()
    assert await office.courier.deliver(TARGET, ONE) == [TAKEN]
    assert len(again.given) == 1


async def test_a_worker_that_ends_in_order_finishes_what_it_has_and_takes_no_more(office: Office) -> None:
    slow = Recorder(goes=False)
    await office.open(slow)
    first = asyncio.create_task(office.courier.deliver(TARGET, ONE))
    await office.until(lambda: slow.given)
    closing = asyncio.create_task(office.servers[0].close(10.0))
    await office.until(lambda: office.servers[0].closing)
    assert await office.courier.deliver(TARGET, ONE) == [TAKEN]  # it was asked and would not, or was not asked
    assert len(office.own.given) == 1 and len(slow.given) == 1
    slow.go.set()
    assert await first == [TAKEN]
    await closing
    assert slow.closed and slow.broken_off == 0


async def test_when_the_steward_is_gone_its_mail_is_broken_off(office: Office) -> None:
    stuck = Recorder(goes=False)
    await office.open(stuck)
    task = asyncio.create_task(office.courier.deliver(TARGET, ONE))
    await office.until(lambda: stuck.given)
    await office.courier.close()
    await office.until(lambda: stuck.broken_off == 1)
    assert await task == [LOST]


async def test_how_tls_went_is_told(office: Office) -> None:
    await office.open(Recorder())
    result = TlsResult(STRICT, "mx.b.test", "192.0.2.1", "certificate-expired", "yesterday")
    office.servers[0].tell(result)
    await office.until(lambda: office.results)
    assert office.results == [result]


async def test_a_caller_that_gives_up_disturbs_nobody(office: Office) -> None:
    slow = Recorder(goes=False)
    await office.open(slow)
    task = asyncio.create_task(office.courier.deliver(TARGET, ONE))
    await office.until(lambda: slow.given)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    slow.go.set()
    assert await office.courier.deliver(TARGET, ONE) == [TAKEN]
    assert not office.courier._busy


async def test_the_socket_is_for_the_node_alone_and_goes_with_the_worker(office: Office) -> None:
    await office.open(Recorder())
    assert office.path(0).stat().st_mode & 0o777 == 0o600
    await office.servers[0].close(0.0)
    assert not office.path(0).exists()


async def test_connections_to_a_host_are_used_again_through_workers(tmp_path: Path) -> None:
    queue = QueueSettings()
    async with ScriptedHost() as host, AsyncExitStack() as stack:
        office = Office(tmp_path)
        stack.push_async_callback(office.close)
        couriers = [SmtpCourier(lambda: "mx.example.test", lambda: queue) for _ in range(2)]
        for number, courier in enumerate(couriers):
            office.servers.append(CourierServer(office.path(number), courier))
            await office.servers[-1].start()
        office.courier = WorkersCourier(office.own, [office.path(0), office.path(1)], office.results.append)
        await office.until_up()
        where = Target("mx.faraway.test", "127.0.0.1", host.port)
        for _ in range(5):
            [answer] = await office.courier.deliver(where, ONE)
            assert answer.code == 250
        assert len(host.heard) == 5
        assert [command.split()[0] for command in host.commands].count("EHLO") == 1


@given(st.binary(max_size=200))
def test_octets_that_are_no_frame_raise_what_ends_the_connection_alone(octets: bytes) -> None:
    for read in (courier_frames.read_request, courier_frames.read_answer):
        try:
            read(memoryview(octets))
        except (ValueError, TypeError, msgspec.DecodeError):
            continue


async def test_garbage_ends_the_connection_at_both_ends(office: Office) -> None:
    await office.open(Recorder())
    _, writer = await asyncio.open_unix_connection(str(office.path(0)))
    writer.write(HEADER.pack(3) + b"abc")
    await office.until(lambda: len(office.servers[0].connections) == 1)
    writer.close()
    [connection] = office.servers[0].connections
    connection.send(HEADER.pack(3) + b"abc")
    await office.until(lambda: not office.servers[0].connections)
    assert await office.courier.deliver(TARGET, ONE) == [TAKEN]


async def test_what_fails_in_an_unforeseen_way_is_answered_and_tried_again(office: Office) -> None:
    await office.open(Recorder(answer=RuntimeError("a fault")))
    async with asyncio.timeout(60):
        [answer] = await office.courier.deliver(TARGET, ONE)
    assert answer == FAILED and answer.code == 450
    assert await office.courier.probe(TARGET, RECIPIENTS[0]) == TAKEN
