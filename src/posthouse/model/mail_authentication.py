"""What the authentication of a message gave: SPF, DKIM, ARC, DMARC, BIMI (MAU-1). Made by ``mailauth``, for all later stages.

Words are those of RFC 8601 §2.7. ``detail`` is in plain words for traces. All texts from strangers are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"]
Identity = Literal["mailfrom", "helo"]
Policy = Literal["none", "quarantine", "reject"]


@dataclass(frozen=True, slots=True)
class SpfResult:
    """``sender`` is the address that was checked, ``domain`` its domain. ``mechanism`` is the term that decided, as it is
    published, "" if none did; it stands in the record of ``record_domain``. ``explanation`` is the publisher's (``exp=``)."""

    result: Result
    identity: Identity
    domain: str
    sender: str
    mechanism: str = ""
    record_domain: str = ""
    explanation: str = ""
    detail: str = ""
    lookups: int = 0


@dataclass(frozen=True, slots=True)
class DkimResult:
    """One signature. ``domain`` is d=, ``selector`` s=, ``identity`` i=; ``signature`` is the start of b= (RFC 6008).

    ``signed_length`` is l=, None if the whole body is signed: a body that goes on behind it is not the signer's.
    ``testing``: the key says t=y, so that a failure means nothing.
    """

    result: Result
    domain: str
    selector: str
    identity: str = ""
    algorithm: str = ""
    key_bits: int = 0
    signature: str = ""
    signed_length: int | None = None
    testing: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ArcResult:
    """``sealers`` are the d= of the seals, oldest first; ``results`` the ARC-Authentication-Results in the same order."""

    result: Literal["none", "pass", "fail", "temperror"]
    sealers: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """``domain`` is the author's. ``policy`` is what its owner asks for when the result is fail, testing mode counted in;
    ``policy_domain`` is where that is published, "" if nowhere; ``record`` is the published text. ``aligned`` names the
    identities that align, such as ``dkim example.org``."""

    result: Result
    domain: str = ""
    policy: Policy = "none"
    policy_domain: str = ""
    record: str = ""
    aligned: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BimiResult:
    """``location`` is the address of the picture that ``domain`` wants shown, ``authority`` of its evidence; "" if none."""

    result: Literal["none", "pass", "fail", "temperror", "declined", "skipped"]
    domain: str = ""
    selector: str = ""
    location: str = ""
    authority: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AuthReport:
    """``spf`` is of MAIL FROM (of HELO for the null sender); ``helo`` is of HELO beside it. None: not looked at.

    ``forwarded_by`` is the trusted sealer whose word was taken for a message that fails DMARC, "" if none.
    """

    spf: SpfResult | None = None
    helo: SpfResult | None = None
    dkim: tuple[DkimResult, ...] = ()
    arc: ArcResult = ArcResult("none")
    dmarc: DmarcResult | None = None
    forwarded_by: str = ""
    bimi: BimiResult | None = None

    @property
    def dkim_result(self) -> Result | Literal[""]:
        """``pass`` if one signature holds, else what the first one gave; "" if there is none."""
        if any(entry.result == "pass" for entry in self.dkim):
            return "pass"
        return self.dkim[0].result if self.dkim else ""

    def signed_by(self) -> frozenset[str]:
        """The domains of valid DKIM signatures."""
        return frozenset(entry.domain for entry in self.dkim if entry.result == "pass")
