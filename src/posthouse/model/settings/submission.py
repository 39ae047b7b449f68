"""Settings of the group ``submission``: what those who log in may send as, and how much (OUT-1 to OUT-5)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import DELEGATE, DOMAIN_MAP


@dataclass(frozen=True, slots=True)
class SubmissionSettings:
    """Sending by accounts: their addresses, and rates (OUT-1 to OUT-5)."""

    sender: str = setting(
        "rewrite",
        "An account that sends under an address that is not its own: its own address is put in place, in the envelope and"
        " in From; it is refused; or anything goes (OUT-3).",
        choices=("rewrite", "refuse", "any"),
    )
    shared_aliases: bool = setting(False, "Accounts may also send as aliases that lead to several of them.")
    delegates: tuple[str, ...] = setting(
        (),
        "Who else may send as whom, such as jane@example.com=sales@example.com, or jane@example.com=@example.com for a domain.",
        form=DELEGATE,
    )
    masquerade: tuple[str, ...] = setting(
        (),
        "Domains of senders, in the envelope and in the header, that are written as another one, such as"
        " host1.example.com=example.com, or .example.com=example.com for all below it (OUT-2).",
        form=DOMAIN_MAP,
    )
    sender_must_exist: bool = setting(False, "Refuse senders of accounts whose address takes no mail here (OUT-4).")
    user_rate: int = setting(0, "Recipients of one account in an hour; 0: no limit (OUT-5).", at_least=0)
    domain_rate: int = setting(0, "Recipients of all accounts of one domain in an hour; 0: no limit.", at_least=0)
    node_rate: int = setting(0, "Recipients of all accounts in an hour; 0: no limit.", at_least=0)
    device_login_s: float = setting(
        0.0,
        "For devices that cannot log in: how long a login of a mail reader counts for submission from the same address;"
        " 0: never (OUT-1).",
        unit="s", at_least=0, at_most=86_400,
    )  # fmt: skip
