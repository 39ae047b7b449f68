"""Whether a notice about a stranger's message would go to somebody who did not send it: backscatter.

Whoever forges a sender's address has the bounces of his spam sent there. An address is doubtful when SPF says that this client
may not use it, or DMARC that its domain did not send this; or when the message is spam, whose senders do not exist. A signature
of the address's own domain proves it, whatever SPF says of a forwarder. Users' and relays' mail is never doubtful.
"""

from __future__ import annotations

from posthouse.model.networks import within
from posthouse.model.spam import SPAM_POINTS
from posthouse.pipeline.transaction import Transaction


def is_doubtful(transaction: Transaction) -> str:
    """Why the sender's address is not believed, "" if it is, or was not looked at."""
    report, address = transaction.auth, transaction.sender.address
    if report is None or address is None:
        return ""
    if (transaction.score or 0.0) >= SPAM_POINTS:
        return "the message is spam"
    spf = report.spf.result if report.spf is not None else "none"
    if spf == "pass" or any(within(address.domain, (signer,)) for signer in report.signed_by()):
        return ""
    if spf in ("fail", "softfail"):
        return f"SPF says {spf} of the sender's address"
    dmarc = report.dmarc
    if dmarc is not None and dmarc.result == "fail" and dmarc.domain == address.domain and not report.forwarded_by:
        return "DMARC says fail of the sender's domain"
    return ""
