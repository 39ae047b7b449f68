"""How good and how fast the embedded spam scorer is on real mail, beside SpamAssassin and bogofilter in the same run.

Messages are sorted by folder and file name; those at even places (0, 2, …) teach, those at odd places are judged. Everybody is
taught and asked the same, without network. Then what was learnt of one part is tried on another. Prints one line of JSON a
measurement and a table. Needs npm and, for the peers, Debian's spamassassin, spamd and bogofilter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from spam_corpus import Letter, further_corpora, public_corpus
from spam_peers import Bogofilter, SpamAssassin

from posthouse.backends.memory.rule_book import MemoryRuleBook
from posthouse.backends.memory.spam_lessons import MemorySpamLessons
from posthouse.base.clock import SystemClock
from posthouse.content.antispam.embedded import EmbeddedScorer
from posthouse.content.antispam.rules_in_use import RulesInUse
from posthouse.content.antispam.school import School, carry_out
from posthouse.content.antispam.tokens import tokens_of
from posthouse.formats.mime import summarise
from posthouse.model.settings import ScorerSettings
from posthouse.model.spam import SITE_ID, ScoredMail
from posthouse.model.spam_learning import Lesson

CURVE = (20, 30, 40, 45, 50, 55, 60, 70, 80, 100, 150, 200, 300)
KIB = 1024


async def taught(letters: Sequence[Letter]) -> EmbeddedScorer:
    """A scorer that has learnt these, and nothing else."""
    book, settings = MemorySpamLessons(), ScorerSettings()

    async def here(octets: bytes) -> bytes:
        return carry_out(octets)

    lessons = []
    for number, letter in enumerate(letters):
        summary = summarise(letter.content)
        numbers = tokens_of(letter.content, summary).numbers
        lessons.append(Lesson(SITE_ID, letter.spam, summary.digest, numbers, float(number)))
    await book.learn(lessons)
    if letters:
        began = time.process_time()
        await School(book, here, lambda: settings, SystemClock()).fit(SITE_ID)
        say("fit", lessons=len(lessons), cpu_s=round(time.process_time() - began, 1))
    return EmbeddedScorer(book, RulesInUse(MemoryRuleBook(), lambda: settings).current)


async def judged(scorer: EmbeddedScorer, letters: Sequence[Letter]) -> tuple[list[float], list[float]]:
    """Points, and CPU seconds with the parse of the message, of each."""
    points, seconds = [], []
    for letter in letters:
        began = time.process_time()
        report = await scorer.score(ScoredMail(letter.content, summarise(letter.content)))
        seconds.append(time.process_time() - began)
        points.append(report.points)
    return points, seconds


def say(what: str, **facts: object) -> None:
    print(json.dumps({"what": what, **facts}), flush=True)


def caught(name: str, letters: Sequence[Letter], points: Sequence[float], at: float) -> dict[str, object]:
    """How many of either side lie at or above a bound."""
    spam = [value for value, letter in zip(points, letters, strict=True) if letter.spam]
    ham = [value for value, letter in zip(points, letters, strict=True) if not letter.spam]
    found, lost = sum(value >= at for value in spam), sum(value >= at for value in ham)
    facts: dict[str, object] = {
        "scorer": name, "at": at, "spam": len(spam), "caught": found, "recall": round(100 * found / max(len(spam), 1), 2),
        "ham": len(ham), "lost": lost, "lost_percent": round(100 * lost / max(len(ham), 1), 3),
        "precision": round(100 * found / max(found + lost, 1), 2),
    }  # fmt: skip
    say("caught", **facts)
    return facts


def speed(letters: Sequence[Letter], seconds: Sequence[float]) -> float:
    """Prints CPU times; gives messages a second of one core."""
    middle = [each for each, letter in zip(seconds, letters, strict=True) if 12 * KIB <= len(letter.content) <= 16 * KIB]
    say(
        "cpu", messages=len(letters), mean_ms=round(1000 * statistics.mean(seconds), 2),
        of_about_14_kib_ms=round(1000 * statistics.mean(middle), 2), worst_of_these_ms=round(1000 * max(middle), 2),
        worst_ms=round(1000 * max(seconds), 2), rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIB,
    )  # fmt: skip
    return len(seconds) / sum(seconds)


def peers(folder: Path, teach: Sequence[Letter], ask: Sequence[Letter], rate: float) -> list[dict[str, object]]:
    """The same of the peers; spamd has one child, asked one message after the other."""
    rows = []
    bogofilter = Bogofilter(folder / "bogofilter")
    bogofilter.train(teach)
    rows.append(caught("bogofilter", ask, bogofilter.scores(ask), 100.0))
    assassin = SpamAssassin(folder / "spamassassin")
    assassin.train(teach)
    assassin.start()
    try:
        assassin.score(ask[0].content)
        cpu, began = assassin.cpu_s(), time.monotonic()
        points = [assassin.score(letter.content) for letter in ask]
        elapsed, cpu = time.monotonic() - began, assassin.cpu_s() - cpu
    finally:
        assassin.stop()
    rows.append(caught("spamassassin", ask, points, 5.0))
    for at in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0):
        caught("spamassassin", ask, points, at)
    theirs = len(ask) / cpu
    say(
        "rate", ours_per_cpu_s=round(rate, 1), spamd_per_cpu_s=round(theirs, 1), times=round(rate / theirs, 1),
        spamd_per_s=round(len(ask) / elapsed, 1),
    )  # fmt: skip
    return rows


async def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--no-peers", action="store_true", help="only our own")
    words.add_argument("--no-cross", action="store_true", help="not from one part to another")
    chosen = words.parse_args()
    letters = public_corpus()
    teach, ask = letters[0::2], letters[1::2]
    rows = []
    points, _ = await judged(await taught(()), ask)
    rows.append(caught("embedded, untaught", ask, points, 50.0))
    scorer = await taught(teach)
    points, seconds = await judged(scorer, ask)
    good = False
    for at in CURVE:
        facts = caught("embedded", ask, points, float(at))
        if at == 50:
            rows.append(facts)
            good = float(str(facts["recall"])) >= 98.0 and float(str(facts["lost_percent"])) <= 0.1
    rate = speed(ask, seconds)
    if not chosen.no_peers:
        with tempfile.TemporaryDirectory(prefix="bench-spam-") as folder:
            rows += peers(Path(folder), teach, ask, rate)
    if not chosen.no_cross:
        rows += await cross(letters)
    table(rows)
    if not good:
        raise SystemExit("the measure is 98% of spam at 50 points, for at most 0.1% of ham")


async def cross(letters: Sequence[Letter]) -> list[dict[str, object]]:
    """What was learnt of one part, tried on another."""
    rows = []
    first = [letter for letter in letters if letter.part in ("easy-ham-1", "spam-1")]
    second = [letter for letter in letters if letter.part not in ("easy-ham-1", "spam-1")]
    pairs = [("first batch to second", first, second), ("second batch to first", second, first)]
    for name, corpus in further_corpora().items():
        pairs += [(f"public to {name}", letters, corpus), (f"{name} to public", corpus, letters)]
        pairs.append((f"{name}, even to odd", corpus[0::2], corpus[1::2]))
    for name, teach, ask in pairs:
        points, _ = await judged(await taught(teach), ask)
        rows.append(caught(f"embedded, {name}", ask, points, 50.0))
    return rows


def table(rows: Sequence[dict[str, object]]) -> None:
    print(f"\n{'scorer':44} {'recall %':>9} {'ham lost %':>11} {'precision %':>12}")
    for row in rows:
        print(f"{row['scorer']!s:44} {row['recall']!s:>9} {row['lost_percent']!s:>11} {row['precision']!s:>12}")


if __name__ == "__main__":
    asyncio.run(main())
