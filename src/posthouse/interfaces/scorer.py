"""A spam scorer: the embedded one, SpamAssassin, Rspamd (CON-8). Several in series; their points are added up."""

from __future__ import annotations

from typing import Protocol

from posthouse.model.spam import ScoredMail, SpamReport


class Scorer(Protocol):
    """One engine. ``name`` is a fixed word in lower case, such as ``embedded`` or ``spamassassin``."""

    @property
    def name(self) -> str: ...

    @property
    def is_here(self) -> bool:
        """Whether it is part of this process, so that nothing needs to wait for it or to find out that it is down."""
        ...

    async def score(self, mail: ScoredMail) -> SpamReport:
        """The engine's points with their reasons, within its own time limit. Whatever the octets of the message are, that is no
        error. Raises Temporary when the engine is down or too slow; what happens then is the caller's setting."""
        ...
