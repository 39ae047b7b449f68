"""SPF against the public test suite of RFC 7208."""

from __future__ import annotations

import pytest

from posthouse.mailauth.spf.check import Client, check_mail_from
from support.spf_suite import Case, suite

NO_EXPLANATION = "DEFAULT"

CASES = suite()


def test_the_suite_is_there() -> None:
    if not CASES:
        pytest.skip("the suite could not be fetched from the package index")
    assert len(CASES) == 203


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_the_result_is_what_the_suite_wants(case: Case) -> None:
    client = Client(case.host, case.helo, receiver="receiver.example", now=1_700_000_000)
    found = await check_mail_from(case.zone, client, case.sender)
    assert found.result in case.results, found.detail
    if case.explanation is not None:
        assert (found.explanation or NO_EXPLANATION) == case.explanation
