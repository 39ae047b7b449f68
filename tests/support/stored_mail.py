"""Mail as it looks in a store: the headers that servers add, words that repeat. The same for the same seed."""

from __future__ import annotations

import random
from functools import cache

_WORDS = tuple("".join(random.Random(n).choices("etaoinshrdlucmfwyp", k=2 + n % 8)) for n in range(2000))


@cache
def mail(count: int, *, seed: int, size_bytes: int = 2000) -> tuple[bytes, ...]:
    """``count`` different messages of about ``size_bytes`` each."""
    return tuple(_one(random.Random(f"{seed} {number}"), size_bytes) for number in range(count))


def _one(chance: random.Random, size_bytes: int) -> bytes:
    domain = chance.choice(("example.com", "example.org", "mail.example.net"))
    name = chance.choice(_WORDS)
    head = (
        f"Return-Path: <{name}@{domain}>\r\n"
        f"Received: from mx{chance.randrange(9)}.{domain} (mx.{domain} [192.0.2.{chance.randrange(250)}])\r\n"
        f"\tby mx.example.test (Posthouse) with ESMTPS id {chance.getrandbits(80):020X};\r\n"
        f"\tTue, 24 Nov 2026 10:{chance.randrange(60):02}:00 +0000\r\n"
        f"Authentication-Results: mx.example.test; spf=pass smtp.mailfrom={domain}; dkim=pass header.d={domain}\r\n"
        f"From: {name.title()} <{name}@{domain}>\r\nTo: jane@example.test\r\n"
        f"Subject: {' '.join(chance.choices(_WORDS, k=5))}\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{chance.getrandbits(90)}@{domain}>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    )
    body = ""
    while len(head) + len(body) < size_bytes:
        body += " ".join(chance.choices(_WORDS, k=11)) + "\r\n"
    return (head + body).encode()
