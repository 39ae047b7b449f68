"""Scripts on one message, for tests: facts with good defaults, and results in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posthouse.content.sieve import Facts, Limits, MessageView, Result, Scope, compile_script, run
from posthouse.content.sieve import actions as act
from posthouse.content.sieve.facts import Question
from posthouse.formats.mime import index

NOW = 1_790_000_000.0
"""2026-09-21T14:13:20Z, a Monday."""

MESSAGE = b"""\
Received: from mx.elsewhere.test by mx.example.test; Mon, 21 Sep 2026 16:13:19 +0200
From: "Lena, L." <Lena@Elsewhere.test>
To: Jane <jane+news@example.test>, omar@example.org
Cc: list@example.org
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from the Weekly  News
Date: Mon, 21 Sep 2026 18:10:00 +0200
Message-ID: <one@elsewhere.test>
X-Priority: 3
X-Twice: first
X-Twice: second
X-Empty:
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hello Jane, the caf=C3=A9 opens.
Buy now!
--b
Content-Type: text/html; charset=utf-8

<p>Hello <b>Jane</b>, click <a href="http://x.test/">here</a></p><style>hidden{}</style>
--b
Content-Type: application/zip; name="report.zip"
Content-Disposition: attachment; filename="Report 2026.zip"
Content-Transfer-Encoding: base64

UEsDBA==
--b
Content-Type: image/png
Content-Disposition: attachment; filename=photo.png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--b--
""".replace(b"\n", b"\r\n")


def inspector(content: bytes, part: object, octets: bytes) -> tuple[str, tuple[str, ...]]:
    """What a real one would say of the two attachments."""
    if octets.startswith(b"PK"):
        return "application/zip", ("report.doc", "setup.exe")
    return ("image/png", ()) if octets.startswith(b"\x89PNG") else ("", ())


def view(content: bytes = MESSAGE) -> MessageView:
    return MessageView(content, index(content), inspector)


def facts(content: bytes = MESSAGE, **others: Any) -> Facts:
    """The message came from outside to jane+news@example.test."""
    known: dict[str, Any] = {
        "message": view(content),
        "now": NOW,
        "sender": "lena@elsewhere.test",
        "recipient": "jane+news@example.test",
        "owner": "jane@example.test",
        "own_addresses": ("jane@example.test",),
        "client_address": "192.0.2.9",
        "client_host": "mx.elsewhere.test",
        "helo": "mx.elsewhere.test",
    }
    return Facts(**{**known, **others})


def result(
    script: str,
    *,
    content: bytes = MESSAGE,
    scope: Scope = "user",
    answers: Mapping[Question, object] | None = None,
    limits: Limits | None = None,
    traced: bool = False,
    **others: Any,
) -> Result:
    """One run, all questions answered beforehand."""
    given = facts(content, answers=dict(answers or {}), **others)
    return run(compile_script(script, scope, traced=traced), given, limits or Limits())


def outcome(script: str, **others: Any) -> list[str]:
    """The actions in words, or the error alone."""
    got = result(script, **others)
    return [f"error {got.error}"] if got.error else [told(action) for action in got.actions]


def told(action: act.Action) -> str:
    """``fileinto News \\Seen``."""
    flags = " " + " ".join(action.flags) if isinstance(action, (act.Keep, act.FileInto)) and action.flags is not None else ""
    match action:
        case act.Keep():
            return ("implicit keep" if action.implicit else "keep") + flags
        case act.FileInto():
            marks = (" create" if action.create else "") + "".join(
                f" {mark}" for mark in (action.special_use, action.mailbox_id) if mark
            )
            return f"fileinto {action.mailbox}{marks}{flags}"
        case act.Redirect() | act.Wiretap():
            return f"{type(action).__name__.lower()} {action.address}"
        case act.Excerpt():
            return f"excerpt {action.max_chars} {action.address}"
        case act.Reject():
            return f"{action.kind} {action.reason}"
        case act.Vacation():
            return f"vacation to {action.to}: {action.subject}: {action.reason}"
        case act.Notify():
            return f"notify {action.importance} {action.method} {action.message}"
        case act.Quarantine():
            return f"quarantine {action.name}"
        case act.Score():
            return f"score {'=' if action.absolute else ''}{action.points:g}"
        case act.Delay():
            return f"delay {action.seconds}"
        case act.Route():
            return f"route {action.next_hop}"
    return type(action).__name__.lower()


def holds(test: str, requires: str = "", **others: Any) -> bool:
    """Whether a test is true of the message."""
    names = ", ".join(f'"{name}"' for name in requires.split())
    script = (f"require [{names}];" if names else "") + f"if {test} {{ discard; }}"
    got = outcome(script, **others)
    assert got in (["discard"], ["implicit keep"]), got
    return got == ["discard"]
