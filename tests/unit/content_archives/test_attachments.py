"""Which attachments are looked into, and that no disguise hides an archive (CON-14)."""

from __future__ import annotations

import time

import pytest

from posthouse.content import attachments
from posthouse.content.archives.limits import ArchiveLimits
from posthouse.content.attachments import Carried
from posthouse.formats.mime import index
from support import archives
from support.archives import PROGRAM, zipped
from support.composing import message

PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 400


def carried(content: bytes) -> tuple[Carried, ...]:
    wanted = attachments.candidates(content, index(content))
    return attachments.look(content, wanted, ArchiveLimits(), time.monotonic)


def members(found: Carried) -> list[str]:
    assert found.opened is not None
    return [member.name for member in found.opened.members]


def test_plain_mail_and_pictures_are_not_looked_into() -> None:
    content = message(("photo.jpg", PICTURE), ("doc.pdf", b"%PDF-1.7 " + PICTURE))
    assert not attachments.candidates(content, index(content))


@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("width", [76, 64, 61, 1_000])
def test_a_zip_behind_a_picture_is_found_wherever_it_begins(shift: int, width: int) -> None:
    import base64

    octets = PICTURE + bytes(shift) + zipped({"run.js": b"alert(1)"})
    letters = base64.b64encode(octets)
    lines = b"\r\n".join(letters[at : at + width] for at in range(0, len(letters), width))
    content = b"From: a@b.test\r\nContent-Type: image/jpeg; name=photo.jpg\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines
    (found,) = carried(content)
    assert members(found) == ["run.js"]
    assert found.can_do_harm == "script"


@pytest.mark.parametrize("encoding", ["8bit", "binary", "quoted-printable", "x-unknown"])
def test_other_encodings_hide_nothing(encoding: str) -> None:
    import binascii

    octets = PICTURE[:200] + zipped({"run.js": b"alert(1)"})
    body = binascii.b2a_qp(octets) if encoding == "quoted-printable" else octets
    content = f"From: a@b.test\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body
    (found,) = carried(content)
    assert members(found) == ["run.js"]


def test_what_is_in_an_embedded_message_is_looked_into() -> None:
    inner = message(("a.zip", zipped({"run.exe": PROGRAM})))
    content = b"From: a@b.test\r\nContent-Type: message/rfc822\r\n\r\n" + inner
    (found,) = carried(content)
    assert (found.section, members(found)) == ("1.2", ["run.exe"])


@pytest.mark.parametrize(
    ("name", "octets", "harm"),
    [
        ("tool.exe", b"MZ", "program"),
        ("letter.txt", PROGRAM, "program"),
        ("letter.doc.js", b"x", "script"),
        ("letter.pdf.exe. ", b"x", "program"),
        ("sheet.xlsm", archives.word(archives.MACRO), "macros"),
        ("letter.docx", archives.word(archives.MACRO), "macros"),
        ("letter.docx", archives.word(), ""),
        ("a.zip", zipped({"b.zip": zipped({"c.vbs": b"x"})}), "script"),
        ("a.zip", zipped({"b.txt": b"x"}), ""),
        ("a.rar", archives.rar5({"c.scr": b"x"}, encrypted=True), "program"),
    ],
)
def test_what_can_do_harm(name: str, octets: bytes, harm: str) -> None:
    (found,) = carried(message((name, octets)))
    assert found.can_do_harm == harm
    assert bool(found.fingerprints) == bool(harm)


def test_a_tar_of_the_oldest_kind_is_known_by_its_checksum() -> None:
    old = bytearray(archives.tarred({"run.exe": PROGRAM}))
    old[257:265] = bytes(8)
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old[:512])
    (found,) = carried(message(("a.tar", bytes(old))))
    assert found.detected == "application/x-tar"
    assert members(found) == ["run.exe"]
