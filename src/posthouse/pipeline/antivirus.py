"""Stage ``antivirus``: engines in series, and what follows from what they find (CON-5); archives past their bounds (CON-14).

Each form of a message is looked at. An engine that is down defers (``tempfail``, the default) or lets pass, marked; both show
in the trace with the engine's name. Nothing is configured by default: then only bombs are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import cast

from posthouse.base.errors import Temporary
from posthouse.base.metrics import BOMBS, VIRUS_SCAN_SECONDS, VIRUS_SCANS
from posthouse.content.antivirus import mending
from posthouse.content.antivirus.asking import VirusEngines, engines_named
from posthouse.content.antivirus.mail import likeness, scanned
from posthouse.content.archives.entry import shown
from posthouse.content.attachments import Carried
from posthouse.formats.mime import summarise
from posthouse.interfaces.counters import Counters
from posthouse.model.plan import ToMailbox, ToNowhere
from posthouse.model.scan import WHOLE, ScanReport
from posthouse.model.settings import AntivirusSettings, Settings
from posthouse.model.verdict import Continue, Defer, Discard, Hold, Reason, Refuse, Reply, Tag, Verdict
from posthouse.model.virus_engine import Action, VirusEngine
from posthouse.model.virus_found import VirusFound
from posthouse.pipeline.attachments import Attachments
from posthouse.pipeline.copies import Form, off_loop
from posthouse.pipeline.outbreak import virus_key
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

STAGE = "antivirus"
MARK = "X-Virus-Status"
CLEAN, REPLACED, CURED, PERHAPS, INFECTED = 1, 2, 3, 4, 5
"""RFC 5235's results."""

_DONE: dict[type, str] = {Refuse: "refused", Discard: "dropped", Hold: "held in the virus quarantine"}
Tell = Callable[[VirusFound], None]


@dataclass(frozen=True, slots=True)
class VirusScanning:
    """What the stage needs of the world: who asks the engines, and who is told of each infected message."""

    engines: VirusEngines
    tell: Tell


class Antivirus(Stage):
    """Judges each form of a message."""

    name = STAGE
    is_check = True

    def __init__(
        self,
        settings: Callable[[], Settings],
        scanning: VirusScanning,
        attachments: Attachments,
        counters: Counters,
    ) -> None:
        self._settings = settings
        self._engines = scanning.engines
        self._attachments = attachments
        self._counters = counters
        self._tell = scanning.tell
        self._named: tuple[VirusEngine, ...] = ()

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        chosen = self._settings().antivirus
        engines = engines_named(chosen.engines)
        if engines != self._named:
            self._named = engines
            await self._engines.keep_only(engines)
        out: list[Verdict] = []
        if transaction.copies and all(isinstance(each, ToNowhere) for each in transaction.destinations):
            return out
        for form in transaction.forms:
            carried = await self._attachments.of(form, transaction.session.client_address)
            unseen = _of_archives(chosen, carried, scanning=bool(engines))
            if unseen:
                transaction.virus = max(transaction.virus, PERHAPS)
            out += unseen
            for engine in engines:
                if _decided(out):
                    break
                out += await self._ask(chosen, engine, transaction, form)
            if _decided(out):
                break
        return out

    async def _ask(
        self, chosen: AntivirusSettings, engine: VirusEngine, transaction: Transaction, form: Form
    ) -> Sequence[Verdict]:
        started = perf_counter()
        try:
            report, remembered = await self._scan(chosen, engine, form)
        except Temporary as error:
            VIRUS_SCANS.labels(engine.name, "failed").inc()
            return (_down(chosen, engine, error),)
        VIRUS_SCAN_SECONDS.labels(engine.name).observe(perf_counter() - started)
        VIRUS_SCANS.labels(engine.name, "infected" if report.infections else "clean").inc()
        if report.infections:
            return await self._infected(chosen, engine, transaction, form, report)
        transaction.virus = max(transaction.virus, PERHAPS if report.unscanned else CLEAN)
        out: list[Verdict] = []
        for why in dict.fromkeys(why for _, why in report.unscanned):
            policy = chosen.encrypted if why == "encrypted" else chosen.unscannable
            out += _policy(policy, Reason(STAGE, engine.name, f"{engine.name} could not look into it: {why}"), why)
        same = ", as it was for a message with the same content" if remembered else ""
        return out or (Continue(Reason(STAGE, engine.name, f"clean{same}")),)

    async def _scan(self, chosen: AntivirusSettings, engine: VirusEngine, form: Form) -> tuple[ScanReport, bool]:
        content, root = form.content, form.summary.root
        key = b""
        if chosen.remember_s:
            key = await off_loop(len(content), partial(likeness, content, root))
        return await self._engines.scan(engine, scanned(content, root), key, chosen.remember_s)

    async def _infected(
        self, chosen: AntivirusSettings, engine: VirusEngine, transaction: Transaction, form: Form, report: ScanReport
    ) -> Sequence[Verdict]:
        self._counters.hit(virus_key(transaction), self._settings().outbreak.window_s)
        action = engine.action or cast(Action, chosen.action)
        found = _found(engine, report)
        verdict: Verdict | None
        if action in ("strip", "clean"):
            verdict, why = await self._mended(chosen, engine, form, report, clean=action == "clean")
            if verdict is not None:
                transaction.virus = max(transaction.virus, CURED if action == "clean" else REPLACED)
            else:
                verdict, found = _refusal(engine, report, f"{found}; {why}"), f"{found}; {why}"
        else:
            verdict = _verdict(action, engine, report, found)
        if not isinstance(verdict, Tag):
            transaction.virus = INFECTED
        self._tell(_told(transaction, engine, report, verdict))
        return (verdict,)

    async def _mended(
        self, chosen: AntivirusSettings, engine: VirusEngine, form: Form, report: ScanReport, *, clean: bool
    ) -> tuple[Verdict | None, str]:
        """What was done to the message, which is changed by then, or None and why it could not be done."""
        content, root = form.content, form.summary.root
        take = partial(mending.cleaned, content, root, report)
        if not clean:
            take = partial(mending.stripped, content, root, report, engine.name)
        mended = await off_loop(len(content), take)
        if mended is None:
            return None, "the engine cannot clean it" if clean else "it is in no single part"
        fresh = Form(mended.content, await off_loop(len(mended.content), partial(summarise, mended.content)))
        try:
            again, _ = await self._scan(chosen, engine, fresh)
        except Temporary as error:
            return None, f"what is left could not be scanned: {error.cause or error.public}"
        if again.infections:
            return None, f"what is left is infected too: {again.names}"
        form.become(fresh.content, fresh.summary)
        done = "cleaned" if clean else "taken out"
        parts = ", ".join(mended.parts)
        reason = Reason(STAGE, engine.name, f"{_found(engine, report)}; {done}: {parts}")
        return Tag(MARK, f"{done}: {shown(report.names)}", reason), ""


def _decided(verdicts: Sequence[Verdict]) -> bool:
    return any(isinstance(each, (Refuse, Defer, Discard, Hold)) for each in verdicts)


def _of_archives(chosen: AntivirusSettings, carried: Sequence[Carried], *, scanning: bool) -> Sequence[Verdict]:
    """What is due to bombs, to what is encrypted, and to what took too long to open; the latter two only if somebody scans, or
    the settings want them away."""
    for each in carried:
        opened = each.opened
        if opened is None:
            continue
        name = shown(each.name) or f"part {each.section}"
        if opened.bomb:
            BOMBS.labels(opened.bomb).inc()
            return _policy(chosen.bombs, Reason(STAGE, "bomb", f"{name}: {opened.bomb}"), f"archive {opened.bomb}")
        if opened.encrypted and (scanning or chosen.encrypted in ("reject", "quarantine")):
            return _policy(chosen.encrypted, Reason(STAGE, "encrypted", f"{name} is encrypted"), "encrypted")
        unseen = [problem for problem in opened.problems if problem in ("too slow", "too many")]
        if unseen and (scanning or chosen.unscannable in ("reject", "quarantine")):
            return _policy(chosen.unscannable, Reason(STAGE, "archive", f"{name}: {unseen[0]}"), f"archive {unseen[0]}")
    return ()


def _policy(policy: str, reason: Reason, why: str) -> Sequence[Verdict]:
    """The verdict of a setting for what cannot be looked into."""
    if policy == "reject":
        return (Refuse(Reply(554, "5.7.1", f"Message refused: it cannot be scanned ({why})"), reason),)
    if policy == "quarantine":
        return (Hold("virus", reason),)
    if policy == "mark":
        return (Tag(MARK, f"not scanned: {why}", reason),)
    return (Continue(reason),)


def _down(chosen: AntivirusSettings, engine: VirusEngine, error: Temporary) -> Verdict:
    """Closed by default: what was not scanned is not taken."""
    reason = Reason(STAGE, engine.name, error.cause or error.public)
    if (engine.down or chosen.down) == "pass":
        return Tag(MARK, f"not scanned: {engine.name} is not available", reason)
    return Defer(Reply(error.code, error.enhanced, error.public), reason)


def _found(engine: VirusEngine, report: ScanReport) -> str:
    places = [f"part {each.section}" for each in report.infections if each.section != WHOLE]
    where = f" in {', '.join(dict.fromkeys(places))}" if places else ""
    return f"{engine.name} found {shown(report.names)}{where}"


def _verdict(action: str, engine: VirusEngine, report: ScanReport, found: str) -> Verdict:
    reason = Reason(STAGE, engine.name, found)
    if action == "discard":
        return Discard(reason)
    if action == "quarantine":
        return Hold("virus", reason)
    return _refusal(engine, report, found)


def _refusal(engine: VirusEngine, report: ScanReport, found: str) -> Refuse:
    name = shown(report.names).encode("ascii", "replace").decode()[:80]
    return Refuse(Reply(554, "5.7.1", f"Message refused: it is infected with {name}"), Reason(STAGE, engine.name, found))


def _told(transaction: Transaction, engine: VirusEngine, report: ScanReport, verdict: Verdict) -> VirusFound:
    session, summary, auth = transaction.session, transaction.summary, transaction.auth
    local = dict.fromkeys(each.account for each in transaction.destinations if isinstance(each, ToMailbox) and each.account)
    return VirusFound(
        at=transaction.started_at,
        trace_id=transaction.trace_id,
        engine=engine.name,
        names=shown(report.names),
        done=_DONE.get(type(verdict), "delivered without it"),
        refused=isinstance(verdict, Refuse),
        sender=str(transaction.sender),
        genuine=bool(session.account) or (auth is not None and auth.dmarc is not None and auth.dmarc.result == "pass"),
        recipients=tuple(str(each.address) for each in transaction.recipients[:100]),
        local=tuple(local)[:100],
        subject=shown(summary.subject) if summary else "",
        client=session.client_address,
    )
