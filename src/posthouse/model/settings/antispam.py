"""Settings of the group ``antispam``: which engines score what, and what is learnt (CON-8, CON-9, CON-13)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import Form, setting
from posthouse.model.scanners import ScannerPlace
from posthouse.model.settings.forms import DOMAIN, SHARED_DATABASE

ENGINE = Form("embedded, bulk, pyzor, spamd://HOST:PORT, rspamd://HOST:PORT or dcc:///PATH", ScannerPlace.parse)


@dataclass(frozen=True, slots=True)
class AntispamSettings:
    """Which engines score what, and what is learnt (CON-8, CON-9, CON-13)."""

    engines: tuple[str, ...] = setting(
        ("embedded", "bulk"),
        "Engines in the order in which they are asked; their points are added up. A place of an engine's own is written as"
        " spamd://127.0.0.1:783, spamd:///run/spamd.sock, rspamd://127.0.0.1:11333, dcc:///var/dcc/dccifd.",
        form=ENGINE,
    )
    outgoing: str = setting(
        "off",
        "Mail of logged-in senders (OUT-5): it is not looked at; it is scored and marked; spam among it is refused.",
        choices=("off", "mark", "refuse"),
    )
    relayed: bool = setting(
        False,
        "Score mail of relay-listed hosts and LMTP too. Otherwise the score that such a host says in X-Junkmail-Status counts.",
    )
    failure: str = setting(
        "skip",
        "When an engine is down: go on without it, marked; or tell the sender to try again later.",
        choices=("skip", "defer"),
    )
    timeout_s: float = setting(20.0, "Longest time for one engine and message.", unit="s", at_least=0.1, at_most=300)
    rest_after_failures: int = setting(
        3, "Failures in a row after which an engine is left alone for a while.", at_least=1, at_most=1000
    )
    rest_s: float = setting(60.0, "For how long it is left alone then.", unit="s", at_least=1, at_most=86_400)
    max_scored_bytes: int = setting(
        512 << 10, "How much of a large message external engines are given.", unit="bytes", at_least=10_240, at_most=128 << 20
    )
    report: bool = setting(True, "Say each rule's share in X-Spam-Report, for people.")
    train: bool = setting(True, "Learn from what users move into and out of Junk Mail.")
    train_site: bool = setting(True, "What one user teaches counts for the whole site too, not only for that user.")
    max_lessons: int = setting(500, "Messages that one user can teach in a day.", at_least=1, at_most=1_000_000)
    bulk_window_s: float = setting(
        86_400.0, "Time over which bulk mail is counted.", unit="s", at_least=600, at_most=30 * 86_400
    )
    bulk_recipients: int = setting(20, "Recipients from which the same content counts as bulk.", at_least=2, at_most=1_000_000)
    bulk_points: float = setting(
        40.0, "Most points for bulk content that comes from many places.", unit="points", at_least=0, at_most=1000
    )
    bulk_database: str = setting(
        "",
        "Where bulk mail is counted: empty, in the node; postgresql://... or redis://... (valkey://...), shared by the site's"
        " nodes.",
        form=SHARED_DATABASE,
    )
    bulk_known: tuple[str, ...] = setting(
        (),
        "Domains whose authenticated mail, and List-Id names whose lists, are known and not counted: newsletters, lists.",
        form=DOMAIN,
    )
