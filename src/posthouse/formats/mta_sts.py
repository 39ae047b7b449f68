"""MTA-STS: the record that announces a policy, and the policy itself (RFC 8461 §3). Knows neither DNS nor HTTPS nor clocks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

Mode = Literal["enforce", "testing", "none"]

MAX_POLICY_BYTES = 64 << 10
MAX_AGE_S = 31_557_600
MAX_HOSTS = 100
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class BadPolicy(ValueError):
    """Not a policy; says why."""


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """``hosts`` are patterns in lower case, ``*.`` in front for one label; ``max_age_s`` is how long it may be kept."""

    mode: Mode
    hosts: tuple[str, ...]
    max_age_s: int

    def covers(self, host: str) -> bool:
        """Whether mail may go to this MX host (RFC 8461 §4.1)."""
        name = host.lower().rstrip(".")
        return any(name == pattern or _matches_wildcard(name, pattern) for pattern in self.hosts)

    @property
    def lines(self) -> tuple[str, ...]:
        """The policy's text, a line each, as reports quote it."""
        return (
            "version: STSv1",
            f"mode: {self.mode}",
            *(f"mx: {host}" for host in self.hosts),
            f"max_age: {self.max_age_s}",
        )


def own_policy(mode: str, hosts: Sequence[str], max_age_s: int) -> StsPolicy | None:
    """The policy that a site sets for itself; None for the mode off."""
    if mode == "off":
        return None
    return StsPolicy(cast(Mode, mode), tuple(host.lower().strip(".") for host in hosts), max_age_s)


def policy_id(policy: StsPolicy) -> str:
    """An id for the record, another for each other policy."""
    return hashlib.sha256("\n".join(policy.lines).encode()).hexdigest()[:20]


def record_id(texts: Sequence[str]) -> str:
    """The policy's id in the TXT records of ``_mta-sts.DOMAIN``; "" if the domain announces none (RFC 8461 §3.1)."""
    found = [text for text in texts if re.match(r"v=STSv1\s*;", text)]
    if len(found) != 1:
        return ""
    for part in found[0].split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip() == "id" and _ID.fullmatch(value.strip()):
            return value.strip()
    return ""


def parse(body: bytes) -> StsPolicy:
    """A policy as fetched. Unknown keys are passed over (RFC 8461 §3.2). Raises BadPolicy."""
    if len(body) > MAX_POLICY_BYTES:
        raise BadPolicy("the policy is too long")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadPolicy("the policy is not UTF-8") from None
    found: dict[str, str] = {}
    hosts: list[str] = []
    for line in re.split(r"\r?\n", text):
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon:
            if line.strip():
                raise BadPolicy("a line is not 'key: value'")
        elif key == "mx":
            hosts.append(value.lower().rstrip("."))
        else:
            found.setdefault(key, value)
    return _checked(found, hosts)


def _checked(found: dict[str, str], hosts: list[str]) -> StsPolicy:
    if found.get("version") != "STSv1":
        raise BadPolicy("its version is not STSv1")
    if found.get("mode") not in ("enforce", "testing", "none"):
        raise BadPolicy("its mode is not enforce, testing or none")
    age = found.get("max_age", "")
    if not re.fullmatch(r"\d{1,10}", age):
        raise BadPolicy("its max_age is not a number")
    if found["mode"] != "none" and not hosts:
        raise BadPolicy("it names no host")
    if len(hosts) > MAX_HOSTS or not all(_HOST.fullmatch(host) for host in hosts):
        raise BadPolicy("it names what is not a host")
    return StsPolicy(cast(Mode, found["mode"]), tuple(hosts), min(int(age), MAX_AGE_S))


def _matches_wildcard(name: str, pattern: str) -> bool:
    first, dot, rest = name.partition(".")
    return pattern.startswith("*.") and bool(first and dot) and rest == pattern[2:]
