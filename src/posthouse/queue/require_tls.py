"""Messages that want more, or less, of TLS than their destinations' policies do (RFC 8689).

With REQUIRETLS each host must prove who it is, and offer REQUIRETLS itself; where none does, the message goes back at once
(§4.2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posthouse.interfaces.courier import Target, Unreachable
from posthouse.model.tls_policy import TlsPolicy

_TEXTS = {
    "5.7.10": "No host of the recipient could be reached over TLS with a certificate that proves who it is",
    "5.7.30": "REQUIRETLS support required",
}


def proven(targets: Sequence[Target]) -> Sequence[Target]:
    """The same hosts, each to be met by TLS with a certificate of its name, or by its TLSA records."""
    return [replace(target, tls="required", policy=_strict(target.policy)) for target in targets]


def _strict(policy: TlsPolicy) -> TlsPolicy:
    if policy.by_record or policy.by_name:
        return replace(policy, enforced=True)
    return TlsPolicy("site", policy.domain)


def refusal(failures: Sequence[Unreachable]) -> str:
    """The reply that ends it, one line, when every host lacks what the message demands; "" if one of them may do later."""
    lacking = {error.lacking for error in failures}
    if not failures or "" in lacking:
        return ""
    code = "5.7.30" if "5.7.30" in lacking else "5.7.10"
    return f"550 {code} {_TEXTS[code]}: {failures[-1].cause}"
