"""Certificates against TLSA records (RFC 7672): what holds, and every way in which it does not."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from posthouse.backends.certificates_shown import NotProven, failure_of, prove
from posthouse.model.tls_policy import Tlsa
from support.authority import Authority, Issued

HOST = "mx.faraway.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def record(text: str) -> Tlsa:
    usage, selector, matching, data = text.split()
    return Tlsa(int(usage), int(selector), int(matching), bytes.fromhex(data))


def failure(issued: Issued, *records: str, names: tuple[str, ...] = (HOST,)) -> str:
    try:
        prove([issued.certificate, *issued.chain], [record(text) for text in records], names)
    except NotProven as error:
        return error.failure
    return ""


def test_the_hosts_own_key_is_enough_whatever_its_name_and_age(authority: Authority) -> None:
    issued = authority.issue("other.test", expired=True)
    assert failure(issued, issued.tlsa_ee) == ""


def test_another_key_does_not_match(authority: Authority) -> None:
    assert failure(authority.issue(HOST), authority.issue(HOST).tlsa_ee) == "validation-failure"


def test_one_of_several_records_is_enough(authority: Authority) -> None:
    issued = authority.issue(HOST)
    assert failure(issued, authority.issue(HOST).tlsa_ee, issued.tlsa_ee) == ""


def test_an_authority_vouches_for_its_hosts_by_name(authority: Authority) -> None:
    assert failure(authority.issue(HOST), authority.tlsa_ta) == ""
    assert failure(authority.issue("*.faraway.test"), authority.tlsa_ta) == ""
    assert failure(authority.issue("other.test"), authority.tlsa_ta) == "certificate-host-mismatch"
    assert failure(authority.issue(HOST, expired=True), authority.tlsa_ta) == "certificate-expired"


def test_attack_a_trusted_certificate_at_the_end_of_a_chain_that_does_not_lead_to_it(
    authority: Authority, tmp_path: Path
) -> None:
    forged = Authority(tmp_path, "Other Authority").issue(HOST)
    forged.chain = [authority.certificate]
    assert failure(forged, authority.tlsa_ta) == "validation-failure"


def test_records_that_mail_may_not_rely_on_prove_nothing(authority: Authority) -> None:
    issued = authority.issue(HOST)
    assert failure(issued, "1" + issued.tlsa_ee[1:]) == "validation-failure"
    assert not record("3 1 1 abcd").is_usable
    assert not record("3 1 9 " + "ab" * 32).is_usable


def test_no_certificate_proves_nothing() -> None:
    with pytest.raises(NotProven):
        prove([], [record("3 1 1 " + "ab" * 32)], (HOST,))


def test_handshakes_that_fail_have_a_word_for_it() -> None:
    expired = ssl.SSLCertVerificationError()
    expired.verify_code = 10
    wrapped = OSError()
    wrapped.__cause__ = expired
    assert failure_of(wrapped) == "certificate-expired"
    assert failure_of(OSError()) == "validation-failure"
