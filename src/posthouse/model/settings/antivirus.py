"""Settings of the group ``antivirus``: engines and what follows from what they find (CON-5, CON-6)."""

from __future__ import annotations

from dataclasses import dataclass

from cronsim import CronSim, CronSimError

from posthouse.base.settings import Form, setting
from posthouse.model.settings.forms import ADDRESS
from posthouse.model.virus_engine import ACTIONS, DOWNS, VirusEngine

ENGINE = Form("clamd://HOST:PORT, clamd:///SOCKET or icap://HOST:PORT/SERVICE", VirusEngine.parse)


def _schedule(text: str) -> str:
    from datetime import UTC, datetime

    try:
        CronSim(text, datetime.fromtimestamp(0, UTC))
    except CronSimError as error:
        raise ValueError(str(error)) from None
    return text


SCHEDULE = Form("a schedule as cron writes it, such as '30 * * * *'", _schedule)


@dataclass(frozen=True, slots=True)
class AntivirusSettings:
    """Virus scanning (CON-5), its notices (CON-6), and what is done about archives that cannot be looked into (CON-14)."""

    engines: tuple[str, ...] = setting(
        (),
        "Engines in the order in which they are asked: clamd://127.0.0.1:3310, clamd:///run/clamav/clamd.ctl,"
        " icap://127.0.0.1:1344/avscan; each may have its own ?action=, down= and name=. Empty: mail is not scanned.",
        form=ENGINE,
    )
    action: str = setting(
        "reject",
        "What happens to infected mail: it is refused; dropped; held in the virus quarantine; the infected part is taken out"
        " and a notice put in its place; the engine cleans it if it can (and if not, it is refused).",
        choices=ACTIONS,
    )
    down: str = setting(
        "tempfail",
        "When an engine is down or too slow: the sender is told to try again later, or the mail passes, marked.",
        choices=DOWNS,
    )
    timeout_s: float = setting(60.0, "Longest time for one engine and message.", unit="s", at_least=0.1, at_most=540)
    encrypted: str = setting(
        "mark",
        "Encrypted archives and documents, which no engine can look into.",
        choices=("pass", "mark", "reject", "quarantine"),
    )
    unscannable: str = setting(
        "mark",
        "Mail that an engine could not look into whole: too large for it, or opening it took too long.",
        choices=("pass", "mark", "reject", "quarantine"),
    )
    bombs: str = setting(
        "reject",
        "Archives past the bounds of group `archives`, whether engines are set or not.",
        choices=("pass", "mark", "reject", "quarantine"),
    )
    remember_s: float = setting(
        600.0,
        "How long a result holds for the same content again; 0: each message is scanned.",
        unit="s",
        at_least=0,
        at_most=86_400,
    )
    update_schedule: str = setting(
        "30 * * * *", "When patterns are updated by the node's command, in UTC; empty: never.", form=SCHEDULE
    )
    max_pattern_age_s: float = setting(
        172_800.0, "Age of an engine's patterns that raises an alarm (2 days); 0: never.", unit="s", at_least=0
    )
    alerts: str = setting(
        "",
        "Who is told of viruses and of old patterns, beside `virus-alerts` of each domain that a message was for.",
        form=ADDRESS,
    )
    alert_interval_s: float = setting(
        900.0, "Shortest time between two mails to the same receiver of alerts; what happens meanwhile comes together.",
        unit="s", at_least=0,
    )  # fmt: skip
    notify_senders: bool = setting(
        False, "Tell the sender of infected mail that was not refused; only authenticated ones and those whose DMARC passes."
    )
    notify_recipients: bool = setting(False, "Tell local recipients of infected mail that they did not get it, or not whole.")
