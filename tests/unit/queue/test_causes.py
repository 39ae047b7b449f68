"""Replies as real hosts give them, and what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.queue.causes import cause_of

REPLIES = [
    ("550 5.1.1 The email account that you tried to reach does not exist.", "unknown-user"),
    ("550 5.1.1 <x@far.test>: Recipient address rejected: User unknown in virtual mailbox table", "unknown-user"),
    ("550 No such user here", "unknown-user"),
    ("550 Requested action not taken: mailbox unavailable", "unknown-user"),
    ("452 4.2.2 The email account that you tried to reach is over quota", "mailbox-full"),
    ("552 Mailbox full", "mailbox-full"),
    ("550 5.2.1 The email account that you tried to reach is disabled.", "disabled"),
    ("552 5.3.4 Message size exceeds fixed limit", "too-large"),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocked"),
    ("550 5.7.1 Our system has detected that this message is likely unsolicited mail", "spam"),
    ("421 4.7.0 Our system has detected an unusual rate of mail", "reputation"),
    ("421 4.7.28 Gmail has detected an unusual rate of unsolicited mail", "reputation"),
    ("450 4.2.0 <x@far.test>: Recipient address rejected: Greylisted, see http://postgrey", "greylisted"),
    ("451 4.7.1 Please try again in 5 minutes", "greylisted"),
    ("550 5.7.26 Unauthenticated email from far.test is not accepted due to domain's DMARC policy", "authentication"),
    ("530 5.7.0 Must issue a STARTTLS command first", "tls"),
    ("556 5.1.10 The domain null.test takes no mail", "no-domain"),
    ("550 5.1.2 The domain x.test does not exist", "no-domain"),
    ("554 5.4.6 Too many hops", "loop"),
    ("450 4.4.1 No host could be reached: mx.far.test: connection to port 25 timed out", "network"),
    ("554 5.7.1 Relay access denied", "policy"),
    ("550 5.7.1 Delivery not authorized, message refused", "policy"),
    ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "unknown-user"),
    ("550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", "unknown-user"),
    ("554 delivery error: dd This user doesn't have a far.test account (x@far.test) [0]", "unknown-user"),
    ("554 delivery error: dd Not a valid recipient - x@far.test", "unknown-user"),
    ("550 5.7.1 <x@far.test>: Recipient address rejected: Access denied", "policy"),
    ("550 5.7.1 <x@far.test>: Recipient address rejected: user unknown here", "unknown-user"),
    ("550 5.7.1 messages from [192.0.2.1] weren't sent, part of their network is on our block list (S3150)", "blocked"),
    ("550 5.7.606 Access denied, banned sending IP [192.0.2.1]", "blocked"),
    ("554 5.7.1 Blocked - see https://ipcheck.far.test/?ip=192.0.2.1", "blocked"),
    ("554 No SMTP service; IP address is black listed", "blocked"),
    ("421 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation", "reputation"),
    ("421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume or user complaints", "reputation"),
    ("553 5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred", "reputation"),
    ("451 4.7.500 Server busy. Please try again later", "reputation"),
    ("450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more", "policy"),
    ("554 Bad DNS PTR resource record", "authentication"),
    ("452 4.3.1 Insufficient system storage", "other"),
    ("550 5.1.8 <a@own.test>: Sender address rejected: Domain not found", "policy"),
    ("451 4.3.0 Temporary failure", "other"),
    ("250 2.0.0 OK", "other"),
    ("", "other"),
]


@pytest.mark.parametrize(("reply", "cause"), REPLIES)
def test_what_hosts_say(reply: str, cause: str) -> None:
    assert cause_of(reply) == cause


@given(st.text(max_size=400))
def test_fuzz_any_reply_has_a_cause(reply: str) -> None:
    assert cause_of("550 " + reply)
