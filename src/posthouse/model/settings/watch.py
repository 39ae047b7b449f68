"""Settings of the group ``watch``: when an account's sending looks like that of a stolen password (OUT-5)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import ADDRESS, NETWORK


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Accounts whose password seems stolen: what is noticed, and what happens then (OUT-5)."""

    mode: str = setting(
        "hold",
        "What happens to an account that passes one of these measures: its sending is stopped and its queue held; an alert is"
        " raised and mail goes on; or nothing is looked at.",
        choices=("hold", "alert", "off"),
    )
    messages: int = setting(300, "Messages of one account in an hour; 0: not looked at.", at_least=0)
    recipients: int = setting(1000, "Recipients of one account in an hour; 0: not looked at.", at_least=0)
    day_recipients: int = setting(
        5000, "Recipients of one account in a day, against thieves who take their time; 0: not looked at.", at_least=0
    )
    unfamiliar_share: int = setting(
        5,
        "Of messages and recipients from networks that an account is new to, only one in so many is allowed.",
        at_least=1,
        at_most=1000,
    )
    familiar_after_s: float = setting(
        86_400.0, "How long a network is new to an account after its first message from there.", unit="s", at_least=0
    )
    networks: int = setting(
        5, "New networks, or countries, from which one account sends within an hour; 0: not looked at.", at_least=0
    )
    clients: int = setting(
        12, "New client addresses from which one account sends within an hour; 0: not looked at.", at_least=0
    )
    bounces: int = setting(
        50,
        "Recipients of one account within an hour whom other hosts do not know, or refuse since it is spam; 0: not looked at.",
        at_least=0,
    )
    spam: int = setting(
        10,
        "Messages of one account within an hour that are judged spam, where outgoing mail is scored; 0: not looked at.",
        at_least=0,
    )
    exempt_networks: tuple[str, ...] = setting(
        ("127.0.0.0/8", "::1"),
        "Networks of programs that send for many or by machine: from there only spam is looked at.",
        form=NETWORK,
    )
    exempt_accounts: tuple[str, ...] = setting(
        (), "Accounts that are not watched, such as one that sends a newsletter.", form=ADDRESS
    )
    refuse_logins: bool = setting(False, "An account that is held cannot log in at all, also not to read mail.")
    countries_file: str = setting(
        "",
        "A table of address blocks with their countries, one a line: 192.0.2.0/24,NL or 192.0.2.0,192.0.2.255,NL; relative to"
        " the data folder. Without one, networks are told apart by /16 (IPv6: /32).",
    )
    alerts: str = setting(
        "", 'Who is told by mail of accounts that were held; "" for the postmaster of the account\'s domain.', form=ADDRESS
    )
