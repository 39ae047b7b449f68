"""Vacation and notifications: who gets one, how often, and what is in it (RFC 5230, RFC 5435, RFC 5436, RFC 3834)."""

from __future__ import annotations

import email
import email.policy
from typing import Any

import pytest

from posthouse.content.sieve.actions import Excerpt, Notify, Vacation
from posthouse.content.sieve.facts import Remembered, Unanswered
from posthouse.content.sieve.notices import excerpt_message, mailto_recipients, notify_message, vacation_message
from support.sieve import MESSAGE, facts, outcome, result

AWAY = 'require "vacation"; vacation :subject "Away" "Back on Monday";'
SECONDS = 'require ["vacation", "vacation-seconds"]; vacation :seconds 0 "Away";'
ANSWERED = ["vacation to lena@elsewhere.test: : Away", "implicit keep"]


def key_of(script: str, content: bytes = MESSAGE, **others: Any) -> str:
    with pytest.raises(Unanswered) as caught:
        result(script, content=content, **others)
    assert isinstance(caught.value.question, Remembered)
    return caught.value.question.key


def test_a_sender_is_answered_once_in_a_while() -> None:
    key = key_of(AWAY)
    got = result(AWAY, answers={Remembered("vacation", key): False})
    assert [type(action).__name__ for action in got.actions] == ["Vacation", "Keep"]
    assert [(each.kind, each.key, each.expires_at) for each in got.remember] == [
        ("vacation", key, 1_790_000_000.0 + 7 * 86_400)
    ]
    again = result(AWAY, answers={Remembered("vacation", key): True})
    assert [type(action).__name__ for action in again.actions] == ["Keep"]
    assert again.remember == ()


@pytest.mark.parametrize(
    ("words", "seconds"),
    [(":days 1", 86_400), (":days 0", 86_400), (":days 400", 30 * 86_400), (":seconds 60", 60), ("", 7 * 86_400)],
)
def test_the_interval_is_kept_within_reason(words: str, seconds: int) -> None:
    script = f'require ["vacation", "vacation-seconds"]; vacation {words} "x";'
    got = result(script, answers={Remembered("vacation", key_of(script)): False})
    assert got.remember[0].expires_at == 1_790_000_000.0 + seconds


def test_zero_seconds_answers_every_time_and_remembers_nothing() -> None:
    got = result(SECONDS)
    assert [type(action).__name__ for action in got.actions] == ["Vacation", "Keep"]
    assert got.remember == ()


def test_the_memory_goes_by_handle_else_by_the_answer_and_always_by_sender() -> None:
    scripts = ['vacation "a";', 'vacation "b";', 'vacation :subject "s" "a";', 'vacation :handle "h" "a";']
    keys = {key_of(f'require "vacation"; {script}') for script in scripts}
    assert len(keys) == 4
    handled = key_of('require "vacation"; vacation :handle "h" "other";')
    assert handled in keys
    assert key_of('require "vacation"; vacation :handle "h" "a";', sender="x@y.test") not in keys


NOBODY = [
    (b"", {"sender": ""}),
    (b"", {"sender": "jane@example.test"}),
    (b"", {"sender": "MAILER-DAEMON@elsewhere.test"}),
    (b"", {"sender": "owner-list@elsewhere.test"}),
    (b"", {"sender": "list-request@elsewhere.test"}),
    (b"", {"sender": "no-reply@elsewhere.test"}),
    (b"", {"sender": "bounce+jane=example.test=x@elsewhere.test"}),
    (b"", {"score": 60.0}),
    (b"Auto-Submitted: auto-generated\r\n", {}),
    (b"Auto-Submitted: auto-replied (vacation)\r\n", {}),
    (b"Precedence: bulk\r\n", {}),
    (b"Precedence: List\r\n", {}),
    (b"List-Id: <x.elsewhere.test>\r\n", {}),
    (b"List-Unsubscribe: <mailto:x@y.test>\r\n", {}),
    (b"X-Auto-Response-Suppress: All\r\n", {}),
    (b"", {"recipient": "sales@example.test", "owner": "sales@example.test", "own_addresses": ()}),
]


@pytest.mark.parametrize(("field", "known"), NOBODY, ids=[f"{field!r} {known}"[:60] for field, known in NOBODY])
def test_machines_lists_and_strangers_to_the_header_get_no_answer(field: bytes, known: dict[str, Any]) -> None:
    assert outcome(SECONDS, content=field + MESSAGE, **known) == ["implicit keep"]


def test_people_get_one() -> None:
    assert outcome(SECONDS) == ANSWERED
    assert outcome(SECONDS, content=b"Auto-Submitted: no\r\n" + MESSAGE) == ANSWERED
    other = MESSAGE.replace(b"jane+news@example.test", b"sales@example.test")
    assert outcome(SECONDS, content=other) == ["implicit keep"]
    named = SECONDS.replace('"Away"', ':addresses ["sales@example.test"] "Away"')
    assert outcome(named, content=other) == ANSWERED
    assert outcome(SECONDS, content=other, own_addresses=("Sales@example.test",)) == ANSWERED


def test_two_answers_in_one_run_are_an_error() -> None:
    script = SECONDS + 'vacation :seconds 0 "b";'
    assert outcome(script)[0].startswith("error line 1: vacation is given twice")


def test_a_reason_for_no_answer_stands_in_the_trace() -> None:
    trace = result(SECONDS, traced=True, sender="").trace
    assert trace[-1].outcome == "no answer: the sender is empty"


def test_an_answer_is_a_sound_message_in_the_thread() -> None:
    action = Vacation(1, 0, "lena@elsewhere.test", "Zurück\nam Montag", "", "", mime=False)
    raw = vacation_message(action, facts(), "<new@example.test>")
    parsed = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert parsed["From"] == "jane+news@example.test"
    assert parsed["To"] == "lena@elsewhere.test"
    assert parsed["Subject"] == "Auto: Grüße from the Weekly  News"
    assert parsed["In-Reply-To"] == "<one@elsewhere.test>"
    assert parsed["References"] == "<one@elsewhere.test>"
    assert parsed["Auto-Submitted"] == "auto-replied (vacation)"
    assert parsed["Message-ID"] == "<new@example.test>"
    assert parsed.get_content().splitlines() == ["Zurück", "am Montag"]
    assert raw.count(b"\n") == raw.count(b"\r\n")


def test_an_answer_may_be_a_mime_entity_of_its_own() -> None:
    action = Vacation(
        1, 0, "l@e.test", "Content-Type: text/html\r\n\r\n<b>Away</b>", "Away", "Jane <jane@example.test>", mime=True
    )
    parsed = email.message_from_bytes(vacation_message(action, facts(), "<n@x>"), policy=email.policy.SMTP)
    assert parsed.get_content_type() == "text/html"
    assert parsed["From"] == "Jane <jane@example.test>"


def test_no_script_can_slip_fields_into_an_answer() -> None:
    action = Vacation(1, 0, "l@e.test", "x", "a\r\nBcc: b@c.test", "a@b.test\r\nBcc: b@c.test", mime=False)
    parsed = email.message_from_bytes(vacation_message(action, facts(), "<n@x>"), policy=email.policy.SMTP)
    assert parsed["Bcc"] is None


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("mailto:a@b.test", ["a@b.test"]),
        ("mailto:a@b.test,c@d.test", ["a@b.test", "c@d.test"]),
        ("MAILTO:a%2Bx@b.test?subject=hi", ["a+x@b.test"]),
        ("mailto:?to=a@b.test", ["a@b.test"]),
        ("mailto:nobody", []),
        ("mailto:", []),
        ("tel:+491234", []),
        ("mailto:" + ",".join(f"u{n}@b.test" for n in range(11)), []),
        ("mailto:a@b.test%0d%0aBcc:c@d.test", []),
    ],
)
def test_only_good_mailto_addresses_are_methods(uri: str, found: list[str]) -> None:
    assert mailto_recipients(uri) == found


def test_a_notification_and_an_excerpt_are_short_messages() -> None:
    notice = Notify(1, 0, "mailto:a@b.test?subject=New%20mail", "You have mail", "1", "", ())
    parsed = email.message_from_bytes(notify_message(notice, facts(), "<n@x>"), policy=email.policy.SMTP)
    assert (parsed["To"], parsed["Subject"], parsed["X-Priority"]) == ("a@b.test", "New mail", "1 (High)")
    assert parsed["Auto-Submitted"].startswith("auto-notified")
    assert parsed.get_content().split() == ["You", "have", "mail"]
    short = excerpt_message(Excerpt(1, 0, "1@sms.test", 60), facts(), "<n@x>")
    body = short.partition(b"\r\n\r\n")[2].decode()
    assert len(body.rstrip()) <= 60
    assert body.startswith('"Lena, L." <Lena@Elsewhere.test>: Grüße')
