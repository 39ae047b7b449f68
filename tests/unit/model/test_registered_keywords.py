"""Keywords that are on offer before anyone has used them (RFC 9051 §2.3.2)."""

from __future__ import annotations

from posthouse.model.flags import REGISTERED, flag_bits, on_offer
from posthouse.model.mailbox import MAX_KEYWORDS


def test_registered_keywords_follow_the_mailboxs_own_in_whatever_case_these_are() -> None:
    assert on_offer(()) == REGISTERED
    assert on_offer(("Work", "$junk")) == ("Work", "$junk", "$Forwarded", "$MDNSent", "$NotJunk", "$Phishing")


def test_what_is_on_offer_can_be_set() -> None:
    for room in range(7):
        keywords = tuple(f"k{number}" for number in range(MAX_KEYWORDS - room))
        offered = on_offer(keywords)
        assert len(offered) <= MAX_KEYWORDS
        assert flag_bits(offered, keywords)[1] == offered
