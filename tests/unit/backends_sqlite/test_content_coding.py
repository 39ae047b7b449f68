"""Contents come back from compression as they went in; what is damaged is told, never given out."""

from __future__ import annotations

import contextlib
import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.coding import FIRST_DICTIONARY, HEAD_SLACK_BYTES, PLAIN, RAW, Damaged, Decoder, Encoder, train
from posthouse.backends.sqlite.parcels import IN_FILE_BYTES
from posthouse.interfaces.mailstore import HEAD_BYTES
from support.stored_mail import mail

DICTIONARY = train(list(mail(400, seed=1)), 16 << 10) or b""
PIECES = st.one_of(st.binary(max_size=300), st.sampled_from([b"Subject: hello\r\n", b"\r\n", b"0" * 500, b"x" * 9000]))


def decoder() -> Decoder:
    return Decoder(lambda dictionary_id: DICTIONARY if dictionary_id == FIRST_DICTIONARY else b"")


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=60), st.sampled_from([Encoder(), Encoder(FIRST_DICTIONARY, DICTIONARY)]), st.integers(0, 9))
def test_every_content_comes_back_whole_and_its_beginning_from_the_beginning(
    pieces: list[bytes], encoder: Encoder, seed: int
) -> None:
    content = b"".join(random.Random(seed).choices(pieces, k=80))[: IN_FILE_BYTES - 1] if pieces else b""
    coding, octets = encoder.encode(content)
    assert decoder().decode(coding, octets, IN_FILE_BYTES) == content
    if len(content) > HEAD_BYTES:
        assert decoder().head(coding, octets[: HEAD_BYTES + HEAD_SLACK_BYTES]) == content[:HEAD_BYTES]


def test_random_octets_stay_as_they_are() -> None:
    content = random.Random(1).randbytes(50_000)
    assert Encoder().encode(content) == (RAW, content)


def test_a_dictionary_makes_small_mail_smaller_than_compression_alone() -> None:
    letters = mail(100, seed=2)
    clear = sum(map(len, letters))
    plain = sum(len(Encoder().encode(each)[1]) for each in letters)
    trained = sum(len(Encoder(FIRST_DICTIONARY, DICTIONARY).encode(each)[1]) for each in letters)
    assert trained < 0.75 * plain < plain < 0.75 * clear


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 3000), st.integers(1, 255), st.sampled_from([Encoder(), Encoder(FIRST_DICTIONARY, DICTIONARY)]))
def test_a_changed_octet_is_found_or_changes_nothing(place: int, change: int, encoder: Encoder) -> None:
    content = mail(1, seed=3)[0]
    coding, octets = encoder.encode(content)
    assert coding in (PLAIN, FIRST_DICTIONARY)
    broken = bytearray(octets)
    broken[place % len(octets)] ^= change
    with contextlib.suppress(Damaged):
        assert decoder().decode(coding, bytes(broken), IN_FILE_BYTES) == content


@pytest.mark.parametrize("encoder", [Encoder(), Encoder(FIRST_DICTIONARY, DICTIONARY)])
def test_every_change_of_a_frames_header_is_found_or_changes_nothing(encoder: Encoder) -> None:
    """Among them those that say that there is no checksum."""
    content = mail(1, seed=3)[0]
    coding, octets = encoder.encode(content)
    for place, change in itertools.product(range(14), range(1, 256)):
        broken = bytearray(octets)
        broken[place] ^= change
        with contextlib.suppress(Damaged):
            assert decoder().decode(coding, bytes(broken), IN_FILE_BYTES) == content, (place, change)


def test_a_frame_that_claims_to_be_huge_takes_no_memory() -> None:
    _, octets = Encoder().encode(b"a" * 100_000)
    with pytest.raises(Damaged, match="length"):
        decoder().decode(PLAIN, octets, 99_999)


def test_a_content_whose_dictionary_is_missing_is_damaged() -> None:
    coding, octets = Encoder(7, DICTIONARY).encode(mail(1, seed=4)[0])
    assert coding == 7
    with pytest.raises(Damaged, match="no dictionary 7"):
        decoder().decode(coding, octets, IN_FILE_BYTES)


def test_a_large_content_is_compressed_in_its_file_and_found_in_either_form(tmp_path: Path) -> None:
    blobs = BlobFiles(tmp_path / "blobs")
    content = b"".join(mail(200, seed=5))
    clear, packed = b"\x01" * 32, b"\x02" * 32
    blobs.write(clear, content)
    blobs.write(packed, content, compress=True)
    assert blobs.stored_bytes(packed) < 0.7 * blobs.stored_bytes(clear) and blobs.path(packed).suffix == ".zst"
    for digest in (clear, packed):
        assert blobs.has(digest, len(content)) and not blobs.has(digest, len(content) + 1)
        assert blobs.read(digest) == content and blobs.read(digest, HEAD_BYTES) == content[:HEAD_BYTES]
    assert list(blobs.digests()) == [clear, packed]
    blobs.write(clear, content, compress=True)  # it is there already
    assert blobs.path(clear).suffix == ""
    blobs.path(packed).write_bytes(blobs.path(packed).read_bytes()[:-10])
    with pytest.raises(Damaged):
        blobs.read(packed)
