"""What authentication of one message adds to the aggregate report for the domain in whose name it came (DMARC; MON-5)."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.mailauth import dmarc_record
from posthouse.model.mail_authentication import AuthReport, Policy
from posthouse.model.mail_reports import DmarcSeen
from posthouse.model.session import Session
from posthouse.model.verdict import Refuse, Score, Verdict

_MAX_SIGNATURES = 10


def seen(session: Session, sender: str, report: AuthReport, verdicts: Sequence[Verdict]) -> DmarcSeen | None:
    """None if the domain publishes no policy, or wants no reports. ``verdicts`` are those that its policy led to."""
    dmarc = report.dmarc
    if dmarc is None or not dmarc.record or dmarc.result not in ("pass", "fail"):
        return None
    record = dmarc_record.read(dmarc.record)
    if record is None or not record.reports_to:
        return None
    disposition = _disposition(verdicts)
    followed = dmarc.result == "pass" or disposition == dmarc.policy
    spf = [found for found in (report.spf, report.helo) if found is not None]
    return DmarcSeen(
        policy_domain=dmarc.policy_domain,
        record=dmarc.record,
        header_from=dmarc.domain,
        envelope_from=sender.rpartition("@")[2].lower(),
        client=session.client_address,
        disposition=disposition,
        dkim_aligned=any(name.startswith("dkim ") for name in dmarc.aligned),
        spf_aligned=any(name.startswith("spf ") for name in dmarc.aligned),
        override="" if followed else "trusted_forwarder" if report.forwarded_by else "local_policy",
        spf=tuple((found.domain, "mfrom" if found.identity == "mailfrom" else "helo", found.result) for found in spf[:1]),
        dkim=tuple((found.domain, found.selector, found.result) for found in report.dkim[:_MAX_SIGNATURES]),
    )


def _disposition(verdicts: Sequence[Verdict]) -> Policy:
    for verdict in verdicts:
        if verdict.reason.rule == "dmarc":
            if isinstance(verdict, Refuse):
                return "reject"
            if isinstance(verdict, Score):
                return "quarantine"
    return "none"
