"""Recipients that the hosts behind us said they do not have, so that their mail is refused at RCPT from then on (GRY-6).

Learnt from permanent answers about the mailbox itself, from the queue or in the session; forgotten after a while, since users
come. Losing it costs a bounce, no mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class UnknownRecipient:
    """``address`` in lower case; ``reply`` is what its host said; ``until`` in seconds since 1970."""

    address: str
    reply: str
    until: float


class UnknownRecipients(Protocol):
    """Bounded: the oldest are forgotten first. Raises Temporary when the store cannot be used."""

    async def reply(self, address: str, at: float) -> str:
        """What its host said, "" if nothing is known against it. Cheap: asked for each recipient of a routed domain."""
        ...

    async def learn(self, address: str, reply: str, until: float) -> None:
        """Remembers, or prolongs."""
        ...

    async def forget(self, address: str) -> bool:
        """Whether it was known."""
        ...

    async def listing(self, at: float, limit: int) -> Sequence[UnknownRecipient]:
        """Those that hold now, in order of the address."""
        ...
