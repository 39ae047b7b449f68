"""Whether the author's domain wants to be told of this one message that failed, and what (RFC 9991, fo= of RFC 9989).

Never of what may itself be a report or an answer (null sender, Auto-Submitted, multipart/report, mail to the addresses for
reports): two sites could else report each other's reports for ever. Nor of what a trusted forwarder vouches for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from posthouse.formats.failure_report import redacted, redacted_address
from posthouse.mailauth import dmarc_record, results
from posthouse.mailauth.dkim.verify import BODY_CHANGED
from posthouse.mailauth.message import Message
from posthouse.model.mail_authentication import AuthReport, DkimResult, DmarcResult
from posthouse.model.mail_reports import AuthFailure, FailureSeen
from posthouse.model.verdict import Refuse, Verdict
from posthouse.pipeline.transaction import Transaction

MAX_HOPS = 30


def failed(
    transaction: Transaction,
    message: Message,
    report: AuthReport,
    verdicts: Sequence[Verdict],
    report_addresses: Collection[str],
) -> FailureSeen | None:
    """None if nobody asks, or nobody may be told. ``verdicts`` are those that the policy led to."""
    dmarc = report.dmarc
    if dmarc is None or dmarc.result not in ("pass", "fail") or report.forwarded_by:
        return None
    record = dmarc_record.read(dmarc.record)
    if record is None or not record.failures_to or _may_loop(transaction, message, report_addresses):
        return None
    found = _failure(report, dmarc, record.failure_options)
    if found is None:
        return None
    failure, signature, told = found
    domain, spf = dmarc.policy_domain, report.spf
    identity = redacted_address(signature.identity, domain) if signature is not None else ""
    return FailureSeen(
        policy_domain=domain,
        to=record.failures_to,
        author=dmarc.domain,
        failure=failure,
        client=transaction.session.client_address,
        mail_from=redacted_address(str(transaction.sender), domain),
        at=transaction.started_at,
        results=told,
        aligned=tuple(sorted({name.partition(" ")[0] for name in dmarc.aligned})),
        refused=any(isinstance(verdict, Refuse) for verdict in verdicts),
        header=redacted(((field.name, message.raw(field)) for field in message.fields), domain),
        signature=(signature.domain, identity, signature.selector) if signature is not None else ("", "", ""),
        spf_domain=spf.domain if spf is not None and spf.result != "none" else "",
    )


def _may_loop(transaction: Transaction, message: Message, report_addresses: Collection[str]) -> bool:
    summary = transaction.summary
    assert summary is not None, "the driver sets the summary before it asks"
    wanted = {address.lower() for address in report_addresses}
    return (
        transaction.sender.address is None
        or bool(message.named("auto-submitted"))
        or (summary.root.type.lower(), summary.root.subtype.lower()) == ("multipart", "report")
        or len(message.named("received")) > MAX_HOPS
        or any(recipient.address.key in wanted for recipient in transaction.recipients)
    )


def _failure(
    report: AuthReport, dmarc: DmarcResult, options: frozenset[str]
) -> tuple[AuthFailure, DkimResult | None, str] | None:
    """What to tell of, the signature that it is about, and the entry of Authentication-Results."""
    broken = next((entry for entry in report.dkim if entry.result in ("fail", "permerror") and not entry.testing), None)
    methods = {name.partition(" ")[0] for name in dmarc.aligned}
    owed = any(entry.result == "temperror" for entry in (*report.dkim, *([report.spf] if report.spf else ())))
    if (dmarc.result == "fail" and options & {"0", "1"}) or ("1" in options and len(methods) < 2 and not owed):
        return "dmarc", broken or next(iter(report.dkim), None), results.entry(dmarc)
    if "d" in options and broken is not None:
        return "bodyhash" if broken.detail == BODY_CHANGED else "signature", broken, results.entry(replace(broken, identity=""))
    spf = report.spf
    if "s" in options and spf is not None and spf.result in ("fail", "softfail", "permerror"):
        # The address may be anybody's: the domain alone is told.
        return "spf", None, f"spf={spf.result} smtp.{spf.identity}={results.token_or_quoted(spf.domain)}"
    return None
