"""What attachments are by their octets, whatever they call themselves (CON-1)."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.content.filetypes import detected, inspect
from posthouse.content.sieve import MessageView
from posthouse.formats.mime import index

PART = index(b"\r\n")


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        for name in names:
            opened.writestr(name, b"x")
    return made.getvalue()


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as opened:
        opened.addfile(tarfile.TarInfo("a"))
    return made.getvalue()


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"MZ\x90\x00", "application/x-dosexec"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"  <!DOCTYPE html>", "text/html"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8", "image/webp"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (tar(), "application/x-tar"),
        (b"hello", ""),
        (b"", ""),
    ],
)
def test_the_beginning_tells(octets: bytes, kind: str) -> None:
    assert detected(octets) == kind
    assert inspect(b"", PART, octets) == (kind, ())


def test_a_zip_shows_its_names_and_what_office_made_of_it() -> None:
    assert inspect(b"", PART, archive("a.txt", "b/setup.exe")) == ("application/zip", ("a.txt", "b/setup.exe"))
    assert inspect(b"", PART, archive("[Content_Types].xml", "word/document.xml"))[0].endswith("wordprocessingml.document")
    assert inspect(b"", PART, archive("a.txt")[:30]) == ("application/zip", ())


def test_a_view_asks_it_about_attachments() -> None:
    content = b"Content-Type: image/png; name=picture.png\r\n\r\nMZ\x90\x00"
    (found,) = MessageView(content, index(content), inspect).attachments
    assert (found.name, found.declared, found.detected) == ("picture.png", "image/png", "application/x-dosexec")


@given(st.binary(max_size=300).map(lambda junk: b"PK\x03\x04" + junk) | st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_octets_make_it_fail(octets: bytes) -> None:
    kind, names = inspect(b"", PART, octets)
    assert isinstance(kind, str)
    assert isinstance(names, tuple)
