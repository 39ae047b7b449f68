"""What follows from the results of authentication: lines for the trace, refusals, points (MAU-1, settings group mailauth).

A published policy is a wish of the author's domain; how far it is followed is this site's choice. RFC 9989 §5.4, RFC 7372.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from posthouse.model.mail_authentication import AuthReport, DmarcResult
from posthouse.model.settings import MailauthSettings
from posthouse.model.verdict import Continue, Reason, Refuse, Reply, Score, Verdict

SPAM_POINTS = 50.0
"""What a quarantine policy is worth on the one scale (CON-8)."""

MAX_TOLD = 400


def dmarc_action(settings: MailauthSettings, author: str) -> str:
    """``off``, ``mark``, ``reject`` or ``enforce`` for an author's domain: its own entry, a parent's, or the general one."""
    if settings.dmarc_domains:
        entries = _entries(settings.dmarc_domains)
        domain = author
        while domain:
            if domain in entries:
                return entries[domain]
            domain = domain.partition(".")[2]
    return settings.dmarc


@lru_cache(maxsize=16)
def _entries(pairs: tuple[str, ...]) -> dict[str, str]:
    return {domain.lower(): action for domain, _, action in (pair.partition("=") for pair in pairs)}


def told(stage: str, report: AuthReport) -> Sequence[Verdict]:
    """One line for the trace for each thing that was looked at."""
    lines = [(entry.identity, entry.result, entry.detail) for entry in (report.helo, report.spf) if entry is not None]
    found: list[Verdict] = [_line(stage, f"spf-{identity}", result, detail) for identity, result, detail in lines]
    found += [_line(stage, "dkim", entry.result, f"{entry.domain}: {entry.detail}") for entry in report.dkim]
    if report.arc.result != "none":
        found.append(_line(stage, "arc", report.arc.result, report.arc.detail))
    if report.dmarc is not None:
        found.append(_line(stage, "dmarc", report.dmarc.result, report.dmarc.detail))
    if report.bimi is not None and report.bimi.result not in ("none", "skipped"):
        found.append(_line(stage, "bimi", report.bimi.result, report.bimi.detail))
    return found


def _line(stage: str, rule: str, result: str, detail: str) -> Continue:
    return Continue(Reason(stage, rule, f"{result}: {detail}"[:MAX_TOLD]))


def refusal(stage: str, report: AuthReport, action: str, spf_fail: str) -> Sequence[Verdict]:
    """At most one verdict. A trusted forwarder's word stands against a policy."""
    dmarc = report.dmarc
    if dmarc is not None and dmarc.result == "fail":
        verdict = _against_policy(stage, dmarc, action, report.forwarded_by)
        if verdict is not None:
            return (verdict,)
    spf = report.spf
    if spf_fail == "reject" and spf is not None and spf.result == "fail" and not (dmarc and dmarc.result == "pass"):
        words = f": {spf.explanation}" if spf.explanation else ""
        reply = Reply(550, "5.7.23", f"{spf.domain} does not let your host send its mail (SPF){words}"[:480])
        return (Refuse(reply, Reason(stage, "spf", spf.detail)),)
    return ()


def _against_policy(stage: str, dmarc: DmarcResult, action: str, forwarded_by: str) -> Verdict | None:
    if dmarc.policy == "none" or action not in ("reject", "enforce"):
        return None
    if forwarded_by:
        return Continue(Reason(stage, "arc", f"{forwarded_by}, a trusted sealer, says that it passed DMARC there"))
    if dmarc.policy == "reject":
        text = f"Refused by the policy of {dmarc.policy_domain} (DMARC): neither SPF nor DKIM speaks for {dmarc.domain}"
        return Refuse(Reply(550, "5.7.1", text[:480]), Reason(stage, "dmarc", dmarc.detail))
    if action == "enforce":
        return Score(SPAM_POINTS, Reason(stage, "dmarc", dmarc.detail))
    return None
