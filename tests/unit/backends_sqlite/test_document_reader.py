"""The document reader's process: it reads, it is confined, and whatever happens in it stays there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from posthouse.backends import document_reader
from posthouse.backends.document_reader import DocumentReader
from posthouse.formats.text.documents import Unreadable
from posthouse.formats.text.limits import TextLimits
from support import documents as make


@pytest.fixture
def reader() -> Iterator[DocumentReader]:
    with closing(DocumentReader(timeout_s=30.0)) as made:
        yield made


def test_one_process_reads_document_after_document(reader: DocumentReader) -> None:
    assert reader.pid == 0, "started when first needed"
    assert "one" in reader.text("word", make.docx("one"))
    pid = reader.pid
    assert "two" in reader.text("pdf", make.pdf("two"))
    assert "три" in reader.text("opendocument", make.odt("три"))
    assert reader.pid == pid


def test_its_limits_are_those_it_was_given() -> None:
    with closing(DocumentReader(30.0, TextLimits(chars=7))) as reader:
        assert reader.text("word", make.docx("1234567890")).strip() == "1234567890"[:6]


def test_what_cannot_be_read_is_said_and_the_next_is_read(reader: DocumentReader) -> None:
    with pytest.raises(Unreadable, match="not an archive"):
        reader.text("word", b"nonsense")
    pid = reader.pid
    assert "fine" in reader.text("word", make.docx("fine"))
    assert reader.pid == pid


def test_a_process_that_takes_too_long_is_killed_and_replaced(reader: DocumentReader) -> None:
    reader.text("word", make.docx("warm"))
    stuck = reader.pid
    os.kill(stuck, signal.SIGSTOP)
    reader.timeout_s = 0.2
    started = time.monotonic()
    with pytest.raises(Unreadable, match="too long"):
        reader.text("word", make.docx("x"))
    assert time.monotonic() - started < 20
    assert not Path(f"/proc/{stuck}").exists()
    reader.timeout_s = 30.0
    assert "again" in reader.text("word", make.docx("again"))


def test_a_process_that_dies_is_replaced(reader: DocumentReader) -> None:
    reader.text("word", make.docx("warm"))
    os.kill(reader.pid, signal.SIGKILL)
    with pytest.raises(Unreadable, match="cannot be read"):
        reader.text("word", make.docx("x"))
    assert "again" in reader.text("word", make.docx("again"))


def test_the_process_is_confined(reader: DocumentReader) -> None:
    reader.text("word", make.docx("warm"))
    limits = Path(f"/proc/{reader.pid}/limits").read_text()
    rows = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert int(rows["Max address space"]) <= 1 << 30
    assert rows["Max file size"] == "0"
    assert rows["Max core file size"] == "0"
    status = Path(f"/proc/{reader.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    environment = Path(f"/proc/{reader.pid}/environ").read_bytes()
    names = {piece.partition(b"=")[0] for piece in environment.split(b"\0") if piece}
    assert names == {b"PYTHONPATH", b"PYTHONDONTWRITEBYTECODE"}


def test_memory_beyond_the_limit_costs_the_document_alone(reader: DocumentReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for a hostile document: a child that takes memory without end while it reads."""
    child = (
        "from posthouse.backends import document_child as c; from posthouse.formats.text import documents as d;"
        "d.document_text = lambda *a: 'x' * (2 << 30) if b'greedy' in a[1] else 'modest'; c.main()"
    )
    real = subprocess.Popen

    def popen(_: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return real([sys.executable, "-c", child], **options)

    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(Unreadable):
        reader.text("word", b"greedy")
    assert reader.text("word", b"humble") == "modest"


def test_it_rests_when_it_has_had_nothing_to_do(reader: DocumentReader, monkeypatch: pytest.MonkeyPatch) -> None:
    reader.text("word", make.docx("x"))
    reader.rest()
    assert reader.pid
    monkeypatch.setattr(document_reader, "REST_S", -1.0)
    reader.rest()
    assert reader.pid == 0
    assert "y" in reader.text("word", make.docx("y"))


def test_plain_text_needs_no_process(reader: DocumentReader) -> None:
    assert reader.text("plain", b"{}") == "{}"
    assert reader.pid == 0
