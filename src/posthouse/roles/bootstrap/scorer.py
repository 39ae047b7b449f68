"""The embedded scorer of a process, and what it learns and is taught with in the steward."""

from __future__ import annotations

from contextlib import AsyncExitStack, closing
from functools import partial

from posthouse.admin.scorerdesk import ScorerDesk
from posthouse.backends.bundle_sources import bundle_source
from posthouse.backends.fitting import FitProcess
from posthouse.backends.https import HttpsFetch
from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.backends.sqlite.reading import Reading
from posthouse.backends.sqlite.rule_book import SqliteRuleBook, SqliteRuleBookWriter
from posthouse.backends.sqlite.spam_lessons import MIGRATIONS, SqliteLessonBook, SqliteSpamWeights
from posthouse.base.clock import Clock
from posthouse.content.antispam.embedded import EmbeddedScorer
from posthouse.content.antispam.rules_in_use import RulesInUse
from posthouse.content.antispam.school import School
from posthouse.content.antispam.updates import RuleUpdates
from posthouse.interfaces.blocklists import BlockLists
from posthouse.interfaces.resolver import Resolver
from posthouse.model.settings import ScorerSettings
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live

FIT_MODULE = "posthouse.content.antispam.fit_process"


def embedded_scorer(files: Files, live: Live, links: BlockLists | None, stack: AsyncExitStack) -> EmbeddedScorer:
    """The scorer of this process."""

    def enough() -> tuple[int, int]:
        return live.settings().scorer.enough_spam, live.settings().scorer.enough_ham

    learnt = stack.enter_context(closing(Reading(files.spam, MIGRATIONS)))
    rules = RulesInUse(SqliteRuleBook(learnt), lambda: live.settings().scorer)
    return EmbeddedScorer(SqliteSpamWeights(learnt), rules.current, links, enough=enough)


def scorer_desk(writer: DatabaseThread, live: Live, resolver: Resolver, clock: Clock) -> ScorerDesk:
    """Lessons, rules and their updates, where ``spam.db`` is written."""

    def settings() -> ScorerSettings:
        return live.settings().scorer

    def own_network() -> bool:
        return live.settings().queue.allow_loopback

    web = HttpsFetch(resolver, own_network, lambda: live.settings().queue.ca_file)
    lessons, rule_book = SqliteLessonBook(writer), SqliteRuleBookWriter(writer)
    return ScorerDesk(
        lessons=lessons,
        school=School(lessons, FitProcess(FIT_MODULE), settings, clock),
        rules=RulesInUse(rule_book, settings),
        rule_book=rule_book,
        updates=RuleUpdates(rule_book, partial(bundle_source, web=web), settings, clock),
    )
