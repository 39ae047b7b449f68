"""Archives of all kinds are opened, each in the other, and nothing in them is missed (CON-14)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
import zstandard

from posthouse.content.archives.limits import ArchiveLimits
from posthouse.content.archives.opening import Opened, look_into
from support import archives
from support.archives import PROGRAM, zipped


def opened(octets: bytes, name: str = "a", limits: ArchiveLimits | None = None) -> Opened:
    return look_into(octets, name, limits or ArchiveLimits(), time.monotonic)


def names(found: Opened) -> list[str]:
    return [member.name for member in found.members]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_each_compression_shows_names_sizes_and_types(method: int) -> None:
    found = opened(zipped({"run.exe": PROGRAM, "notes/a.txt": b"hello" * 99}, method))
    assert found.kind == "application/zip"
    assert [(each.name, each.size_bytes, each.detected) for each in found.members] == [
        ("run.exe", len(PROGRAM), "application/x-dosexec"),
        ("notes/a.txt", 495, ""),
    ]
    assert found.members[0].digest
    assert not found.members[1].digest
    assert not found.problems


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_of_each_form_shows_long_names(form: int) -> None:
    long_name = f"{'folder' * 12}/{'x' * 80}.exe"
    found = opened(archives.tarred({long_name: PROGRAM, "b.txt": b"b"}, form))
    assert [(each.name, each.size_bytes) for each in found.members] == [(long_name, len(PROGRAM)), ("b.txt", 1)]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_compressed_tars_are_opened_twice(pack: object) -> None:
    assert callable(pack)
    found = opened(pack(archives.tarred({"run.exe": PROGRAM})), "stuff.tgz")
    assert names(found) == ["stuff.tar", "stuff.tar/run.exe"]
    assert found.members[1].depth == 2


def test_a_gzip_of_several_members_is_read_to_its_end() -> None:
    found = opened(gzip.compress(b"PK not yet ") + gzip.compress(b"and more"), "log.gz")
    assert [(each.name, each.size_bytes) for each in found.members] == [("log", 19)]


def test_what_is_in_an_archive_in_an_archive_is_named_by_its_way() -> None:
    inner = archives.tarred({"deep/run.exe": PROGRAM})
    found = opened(zipped({"one.zip": zipped({"two.tar": inner}), "x.txt": b"x"}))
    assert names(found) == ["one.zip", "one.zip/two.tar", "one.zip/two.tar/deep/run.exe", "x.txt"]


def test_the_end_of_a_very_long_name_is_kept() -> None:
    found = opened(zipped({"x" * 5_000 + ".exe": PROGRAM}))
    assert names(found) == ["x" * 251 + ".exe"]


def test_control_characters_in_names_are_shown_as_such() -> None:
    assert names(opened(zipped({"a\r\nX-Evil: 1\x1b[2J": b""})))[0] == "a\ufffd\ufffdX-Evil: 1\ufffd[2J"


def test_a_program_that_unpacks_itself_is_opened() -> None:
    assert names(opened(PROGRAM + zipped({"run.js": b"alert(1)"}), "setup.exe")) == ["run.js"]


def test_a_picture_that_is_a_zip_behind_its_end_is_opened() -> None:
    assert names(opened(b"\xff\xd8\xff" + bytes(500) + zipped({"run.js": b"alert(1)"}), "photo.jpg")) == ["run.js"]


def test_a_zip_with_junk_in_front_is_opened() -> None:
    assert names(opened(b"junk" * 30 + zipped({"run.js": b"alert(1)"}), "a.zip")) == ["run.js"]


def test_a_zip_without_its_directory_is_read_from_the_front() -> None:
    found = opened(archives.without_directory(zipped({"run.exe": PROGRAM, "b.txt": b"b"})))
    assert names(found) == ["run.exe", "b.txt"]


def test_members_that_the_directory_hides_are_found() -> None:
    found = opened(archives.with_hidden_member({"letter.txt": b"dear"}, {"run.exe": PROGRAM}))
    assert set(names(found)) == {"letter.txt", "run.exe"}


def test_a_zip_with_64_bit_sizes_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, archive.open("run.exe", "w", force_zip64=True) as member:
        member.write(PROGRAM)
    assert [(each.name, each.size_bytes) for each in opened((tmp_path / "a.zip").read_bytes()).members] == [
        ("run.exe", len(PROGRAM))
    ]


def test_encrypted_zips_show_names_and_that_they_are_encrypted() -> None:
    found = opened(archives.encrypted_zip("run.exe", PROGRAM))
    assert found.encrypted
    assert [(each.name, each.encrypted) for each in found.members] == [("run.exe", True)]
    assert found.members[0].crc


def test_an_encrypted_zip_in_a_zip_makes_the_whole_encrypted() -> None:
    assert opened(zipped({"in.zip": archives.encrypted_zip("a", b"a")})).encrypted


@pytest.mark.parametrize("build", [archives.rar4, archives.rar5])
def test_rar_headers_show_names_and_stored_members_are_looked_into(build: object) -> None:
    assert build in (archives.rar4, archives.rar5)
    found = (archives.rar4 if build is archives.rar4 else archives.rar5)(
        {"run.exe": PROGRAM, "in.zip": zipped({"a.txt": b"a"})}
    )
    seen = opened(found)
    assert names(seen) == ["run.exe", "in.zip", "in.zip/a.txt"]
    assert seen.kind == "application/vnd.rar"
    assert seen.members[0].detected == "application/x-dosexec"


@pytest.mark.parametrize("build", ["rar4", "rar5"])
def test_encrypted_rars_are_told_by_member_and_by_header(build: str) -> None:
    make = archives.rar4 if build == "rar4" else archives.rar5
    found = opened(make({"run.exe": PROGRAM}, encrypted=True))
    assert found.encrypted
    assert [(each.name, each.encrypted) for each in found.members] == [("run.exe", True)]
    hidden = opened(make({"run.exe": PROGRAM}, hidden_names=True))
    assert hidden.encrypted
    assert not hidden.members


SEVEN_ZIP = shutil.which("7z")


@pytest.mark.skipif(SEVEN_ZIP is None, reason="p7zip-full is not installed")
@pytest.mark.parametrize(
    "options",
    ["-mx=9", "-m0=lzma", "-m0=bzip2", "-m0=deflate", "-mx=0", "-ms=off", "-m0=BCJ -m1=LZMA", "-m0=BCJ -m1=LZMA2"],
)
def test_7z_archives_are_listed_and_unpacked(tmp_path: Path, options: str) -> None:
    found = opened(_seven(tmp_path, options))
    note, program = sorted(found.members, key=lambda each: each.name)
    assert (note.name, note.size_bytes, note.detected) == ("note.txt", 2_000, "")
    assert (program.name, program.detected) == ("run.exe", "application/x-dosexec")
    assert len(PROGRAM) - 8 <= program.size_bytes <= len(PROGRAM)
    assert not found.problems


@pytest.mark.skipif(SEVEN_ZIP is None, reason="p7zip-full is not installed")
def test_7z_encryption_is_told_by_member_and_by_header(tmp_path: Path) -> None:
    found = opened(_seven(tmp_path, "-psecret"))
    assert found.encrypted
    assert {(each.name, each.encrypted) for each in found.members} == {("note.txt", True), ("run.exe", True)}
    hidden = opened(_seven(tmp_path, "-psecret -mhe=on"))
    assert hidden.encrypted
    assert not hidden.members


@pytest.mark.skipif(SEVEN_ZIP is None, reason="p7zip-full is not installed")
def test_a_7z_of_a_rare_compression_is_listed(tmp_path: Path) -> None:
    found = opened(_seven(tmp_path, "-m0=ppmd"))
    assert {each.name for each in found.members} == {"note.txt", "run.exe"}
    assert found.problems == ("unknown compression",)


def _seven(folder: Path, options: str) -> bytes:
    (folder / "run.exe").write_bytes(PROGRAM)
    (folder / "note.txt").write_bytes(b"hi" * 1_000)
    (folder / "a.7z").unlink(missing_ok=True)
    assert SEVEN_ZIP is not None
    subprocess.run(
        [SEVEN_ZIP, "a", *options.split(), "a.7z", "run.exe", "note.txt"], cwd=folder, check=True, capture_output=True
    )
    return (folder / "a.7z").read_bytes()


def test_new_office_documents_are_told_apart_and_their_macros_seen() -> None:
    plain = opened(archives.word())
    assert plain.kind == "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    assert not plain.macros
    found = opened(archives.word(archives.MACRO))
    assert found.macros
    assert found.macro_source == b'sub autoopen()\n  shell "calc.exe"\nend sub'


def test_old_office_documents_show_macros_and_encryption() -> None:
    assert opened(archives.old_word()) == Opened("application/msword")
    found = opened(archives.old_word(archives.MACRO))
    assert (found.kind, found.macros, found.encrypted) == ("application/msword", True, False)
    assert b'shell "calc.exe"' in found.macro_source
    assert opened(archives.old_word(encrypted=True)).encrypted


def test_a_new_document_with_a_password_is_encrypted() -> None:
    assert opened(archives.compound({"EncryptionInfo": b"x", "EncryptedPackage": b"x"})).encrypted


def test_a_macro_document_in_a_zip_is_seen() -> None:
    assert opened(zipped({"bill.docm": archives.word(archives.MACRO)})).macros
