"""What REQUIRETLS and TLS-Required make of targets, failures and notices (RFC 8689)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.formats.tls_required import says_no
from posthouse.interfaces.courier import Target, Unreachable
from posthouse.model.address import Address
from posthouse.model.envelope import Sender
from posthouse.model.tls_policy import Tlsa, TlsPolicy
from posthouse.queue.require_tls import proven, refusal
from support.house import House
from support.outbound import ScriptedCourier, enqueue, far, make, says, settle

DANE = TlsPolicy("dane", "far.test", records=(Tlsa(3, 1, 1, b"x" * 32),))
USELESS = TlsPolicy("dane", "far.test", records=(Tlsa(0, 1, 1, b"x" * 32),))
TESTING = TlsPolicy("sts", "far.test", enforced=False)


@pytest.mark.parametrize(
    ("policy", "kind"),
    [(TlsPolicy(), "site"), (TESTING, "sts"), (DANE, "dane"), (USELESS, "site"), (TlsPolicy("site"), "site")],
)
def test_every_host_must_prove_who_it_is(policy: TlsPolicy, kind: str) -> None:
    [target] = proven([Target("mx.far.test", "192.0.2.1", 25, tls="off", policy=policy)])
    assert target.tls == "required"
    assert (target.policy.kind, target.policy.enforced) == (kind, True)
    assert target.policy.by_name or target.policy.by_record


@pytest.mark.parametrize(
    ("lacking", "code"),
    [
        (["5.7.30"], "550 5.7.30"),
        (["5.7.10"], "550 5.7.10"),
        (["5.7.10", "5.7.30"], "550 5.7.30"),
        (["5.7.30", ""], ""),
        ([], ""),
    ],
)
def test_it_ends_when_every_host_lacks_it_and_waits_while_one_may_do(lacking: list[str], code: str) -> None:
    failures = [Unreachable("why", lacking=each) for each in lacking]  # type: ignore[arg-type]
    said = refusal(failures)
    assert said.startswith(code) and bool(said) == bool(code)


async def test_a_host_that_cannot_be_reached_now_makes_the_message_wait() -> None:
    house = House()
    sender = Sender(Address.parse("jane@example.test"), require_tls=True)

    def script(target: Target, parcel: object) -> list[object]:
        raise Unreachable("no answer")

    courier = ScriptedCourier(script)  # type: ignore[arg-type]
    queue_id = await enqueue(house, far(), sender=sender)
    await settle(make(house, courier))
    message = await house.spool.get(queue_id)
    assert message is not None
    assert message.recipients[0].last_reply.startswith("450 4.4.1")
    assert courier.sent[0][0].tls == "required"


async def test_a_filter_may_demand_it_for_one_recipient_without_the_extension() -> None:
    house = House()
    strict, plain = replace(far("a@faraway.test"), verified_tls=True), far("b@faraway.test")
    courier = ScriptedCourier(says(250, "2.0.0 ok"))
    await enqueue(house, strict, plain)
    await settle(make(house, courier))
    met = {str(parcel.recipients[0]): (target.tls, target.policy.enforced) for target, parcel in courier.sent}
    assert met[str(strict)] == ("required", True)
    assert met[str(plain)][0] == "opportunistic"
    assert not any(parcel.sender.require_tls for _, parcel in courier.sent)


async def test_a_notice_about_such_a_message_is_protected_too_and_returns_its_header_only() -> None:
    house = House()
    sender = Sender(Address.parse("lena@faraway.test"), require_tls=True, ret="FULL")
    await enqueue(house, far(), sender=sender)
    await settle(make(house, ScriptedCourier(says(550, "5.1.1 no"))))
    notice = next(each for each in house.sink.accepted if each.sender.address is None)
    assert notice.sender.require_tls
    assert b"text/rfc822-headers" in notice.content


@pytest.mark.parametrize(
    ("head", "no"),
    [
        (b"TLS-Required: No\r\nSubject: x\r\n\r\n", True),
        (b"Subject: x\r\ntls-required:no \r\n\r\n", True),
        (b"TLS-Required: Yes\r\n\r\n", False),
        (b"TLS-Required: No\r\nTLS-Required: No\r\n\r\n", False),
        (b"Subject: x\r\n\r\nTLS-Required: No\r\n", False),
        (b"X-TLS-Required: No\r\n\r\n", False),
        (b"Subject: x\r\n TLS-Required: No\r\n\r\n", False),
    ],
)
def test_the_field_counts_in_the_header_once_and_with_its_only_value(head: bytes, no: bool) -> None:  # noqa: FBT001
    assert says_no(head) is no


@given(st.binary(max_size=300))
def test_any_octets_are_looked_through(content: bytes) -> None:
    assert says_no(content) in (True, False)


async def test_a_notice_about_a_message_that_needs_no_tls_says_the_same() -> None:
    house = House()
    await enqueue(house, far(), content=b"Subject: x\r\nTLS-Required: No\r\n\r\nbody\r\n")
    await settle(make(house, ScriptedCourier(says(550, "5.1.1 no"))))
    notice = next(each for each in house.sink.accepted if each.sender.address is None)
    assert b"\r\nTLS-Required: No\r\n" in notice.content.partition(b"\r\n\r\n")[0] + b"\r\n"
