"""What every virus scanner promises (interfaces/scanner.py): clamd over TCP and a socket, c-icap, and the one of tests."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from posthouse.backends.memory.scanner import MemoryScanner
from posthouse.backends.scanners.clamd import ClamdScanner
from posthouse.backends.scanners.icap import IcapScanner
from posthouse.base.clock import SystemClock
from posthouse.base.errors import Temporary
from posthouse.interfaces.scanner import Scanner
from posthouse.model.scan import WHOLE, ScannedMail, ScannedPart
from posthouse.model.virus_engine import VirusEngine
from support.clamav import EICAR, EICAR_NAME, MARKER, MARKER_NAME, CIcap, Clamd, free_port


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with Clamd(tmp_path_factory.mktemp("clamd") / "clamd", stream_max="2M", extra="AlertEncryptedArchive yes") as engine:
        yield engine


@pytest.fixture(scope="module")
def icap(clamd: Clamd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIcap]:
    with CIcap(tmp_path_factory.mktemp("icap") / "icap", clamd) as engine:
        yield engine


@pytest.fixture(params=["memory", "clamd-tcp", "clamd-unix", "icap"])
async def scanner(request: pytest.FixtureRequest) -> AsyncIterator[Scanner]:
    made: Scanner
    if request.param == "memory":
        made = MemoryScanner({EICAR: EICAR_NAME, MARKER: MARKER_NAME})
    elif request.param == "icap":
        made = IcapScanner(VirusEngine.parse(request.getfixturevalue("icap").url), lambda: 20.0, SystemClock())
    else:
        clamd = request.getfixturevalue("clamd")
        made = ClamdScanner(VirusEngine.parse(clamd.tcp if request.param == "clamd-tcp" else clamd.unix), lambda: 20.0)
    yield made
    await made.close()


def mail(*parts: bytes, plain: bool = False) -> ScannedMail:
    content = b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"".join(parts))
    return ScannedMail(content, tuple(part(str(number), octets, plain=plain) for number, octets in enumerate(parts, 1)))


def part(section: str, octets: bytes, *, plain: bool = False) -> ScannedPart:
    return ScannedPart(section, f"{section}.bin", "application/octet-stream", plain, len(octets), lambda: octets)


async def test_clean_mail_is_clean(scanner: Scanner) -> None:
    report = await scanner.scan(mail(b"hello", b"world" * 10_000))
    assert not report.infections
    assert not report.unscanned


async def test_each_infected_part_is_named_with_what_is_in_it(scanner: Scanner) -> None:
    report = await scanner.scan(mail(b"hello", EICAR, b"xx" + MARKER + b"yy"))
    found = {(each.section, each.name.removesuffix(".UNOFFICIAL")) for each in report.infections if each.section != WHOLE}
    assert found == {("2", EICAR_NAME), ("3", MARKER_NAME)}
    assert report.names.replace(".UNOFFICIAL", "") in (f"{EICAR_NAME}, {MARKER_NAME}", f"{MARKER_NAME}, {EICAR_NAME}")


async def test_what_only_the_whole_message_shows_is_found(scanner: Scanner) -> None:
    report = await scanner.scan(ScannedMail(b"Subject: " + MARKER + b"\r\n\r\nhello\r\n", (part("1", b"hello"),)))
    assert [(each.section, each.name.removesuffix(".UNOFFICIAL")) for each in report.infections] == [(WHOLE, MARKER_NAME)]


async def test_an_infection_is_told_once_by_its_part(scanner: Scanner) -> None:
    content = b"Subject: x\r\n\r\n" + MARKER + b"\r\n"
    report = await scanner.scan(ScannedMail(content, (part("1", b"a " + MARKER),)))
    assert [each.section for each in report.infections] == ["1"]


async def test_names_and_types_of_strangers_do_no_harm(scanner: Scanner) -> None:
    hostile = ScannedPart("1", "a\r\nX-Evil: 1\x00\u202e.exe" * 50, "text/\r\nplain; q", False, len(EICAR), lambda: EICAR)
    report = await scanner.scan(ScannedMail(b"Subject: x\r\n\r\n", (hostile,)))
    assert [each.section for each in report.infections] == ["1"]


async def test_an_empty_part_is_clean(scanner: Scanner) -> None:
    assert not (await scanner.scan(mail(b"", b"a"))).infections


@pytest.mark.parametrize("size", [1023, 1024, 1025, 65_535, 65_536, 65_537, 1_000_000])
async def test_sizes_around_buffers_hide_nothing(scanner: Scanner, size: int) -> None:
    report = await scanner.scan(mail(b"x" * (size - len(MARKER)) + MARKER, b"y" * size))
    assert [each.section for each in report.infections if each.section != WHOLE] == ["1"]


async def test_many_scans_at_once_do_not_mix(scanner: Scanner) -> None:
    mails = [mail(b"hello", EICAR if number % 3 == 0 else b"clean") for number in range(30)]
    reports = await asyncio.gather(*(scanner.scan(each) for each in mails))
    assert [bool(report.infections) for report in reports] == [number % 3 == 0 for number in range(30)]


async def test_it_tells_its_version(scanner: Scanner) -> None:
    assert (await scanner.about()).engine


@pytest.mark.parametrize("kind", ["memory", "clamd", "icap"])
async def test_an_engine_that_is_down_is_temporary(kind: str) -> None:
    made: Scanner
    if kind == "memory":
        memory = MemoryScanner({})
        memory.down = True
        made = memory
    elif kind == "clamd":
        made = ClamdScanner(VirusEngine.parse(f"clamd://127.0.0.1:{free_port()}"), lambda: 5.0)
    else:
        made = IcapScanner(VirusEngine.parse(f"icap://127.0.0.1:{free_port()}/x"), lambda: 5.0, SystemClock())
    for question in (made.scan(mail(b"a")), made.about()):
        with pytest.raises(Temporary) as error:
            await question
        assert "127.0.0.1" not in error.value.public
        assert made.name in error.value.cause


async def test_what_is_larger_than_clamd_takes_is_said(clamd: Clamd) -> None:
    scanner = ClamdScanner(VirusEngine.parse(clamd.tcp), lambda: 20.0)
    report = await scanner.scan(mail(b"small", b"x" * (3 << 20), EICAR))
    assert report.unscanned == (("2", "too large"),)
    assert [each.section for each in report.infections] == ["3"]


async def test_what_clamd_said_before_it_hung_up_is_read_after_a_write_that_failed() -> None:
    """A stream that is too large is answered and the connection closed at once, whatever is still on its way there."""

    def hang_up(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                with accepted:
                    accepted.recv(50_000, socket.MSG_WAITALL)
                    accepted.sendall(b"1: INSTREAM size limit exceeded. ERROR\0")

    large = bytes(8 << 20)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        scanner = ClamdScanner(VirusEngine.parse(f"clamd://127.0.0.1:{listening.getsockname()[1]}"), lambda: 20.0)
        server = asyncio.create_task(asyncio.to_thread(hang_up, listening))
        try:
            for _ in range(15):
                report = await scanner.scan(ScannedMail(large, (part("1", large, plain=True),)))
                assert report.unscanned == (("1", "too large"),)
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            await server


async def test_a_message_too_large_for_clamd_is_looked_at_part_by_part(clamd: Clamd) -> None:
    scanner = ClamdScanner(VirusEngine.parse(clamd.unix), lambda: 20.0)
    report = await scanner.scan(mail(b"x" * (3 << 19), b"y" * (3 << 19), EICAR, plain=True))
    assert not report.unscanned
    assert [each.section for each in report.infections] == ["3"]


async def test_an_engine_that_does_not_answer_is_temporary_in_time(tmp_path: Path) -> None:
    with Clamd(tmp_path / "clamd") as clamd, CIcap(tmp_path / "icap", clamd) as icap:
        scanners: list[Scanner] = [
            ClamdScanner(VirusEngine.parse(clamd.tcp), lambda: 0.5),
            IcapScanner(VirusEngine.parse(icap.url), lambda: 0.5, SystemClock()),
        ]
        clamd.freeze()
        for scanner in scanners:
            with pytest.raises(Temporary, match=r"no answer within 0\.5 s"):
                await scanner.scan(mail(b"a"))
            await scanner.close()


async def test_an_engine_killed_in_the_middle_is_temporary_at_once(tmp_path: Path) -> None:
    with Clamd(tmp_path / "clamd") as clamd:
        scanner = ClamdScanner(VirusEngine.parse(clamd.unix), lambda: 20.0)
        clamd.freeze()
        scanning = asyncio.create_task(scanner.scan(mail(b"a" * 100_000)))
        await asyncio.sleep(0.2)
        clamd.kill()
        with pytest.raises(Temporary):
            await asyncio.wait_for(scanning, 60)


async def test_c_icap_killed_in_the_middle_is_temporary_and_works_again_later(tmp_path: Path) -> None:
    with Clamd(tmp_path / "clamd") as clamd, CIcap(tmp_path / "icap", clamd) as icap:
        scanner = IcapScanner(VirusEngine.parse(icap.url), lambda: 20.0, SystemClock())
        await scanner.scan(mail(b"warm"))
        clamd.freeze()
        scanning = asyncio.create_task(scanner.scan(mail(b"a" * 100_000)))
        await asyncio.sleep(0.2)
        icap.kill()
        with pytest.raises(Temporary):
            await asyncio.wait_for(scanning, 60)
        clamd.thaw()
        icap.start()
        assert (await scanner.scan(mail(b"hello", EICAR))).infections
        await scanner.close()


async def test_a_server_that_sends_on_while_it_looks_hides_no_infection(icap: CIcap) -> None:
    """c-icap with SendPercentData gives back the beginning and stops when it finds something."""
    scanner = IcapScanner(VirusEngine.parse(icap.url), lambda: 30.0, SystemClock())
    report = await scanner.scan(ScannedMail(b"Subject: x\r\n\r\n", (part("1", bytes(5 << 20) + MARKER),)))
    assert [each.section for each in report.infections] == ["1"]
    assert not report.cleaned
    await scanner.close()
