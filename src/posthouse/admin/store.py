"""The mail store: is it sound, how much room does it take, what keeps it so (STO-1, STO-7)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base.errors import Permanent
from posthouse.interfaces.store_care import StoreCare

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Findings:
    """What the check found; ``sound`` when nothing is wrong."""

    sound: bool
    problems: tuple[str, ...]

    @property
    def complaint(self) -> str:
        """One line for standard error; "" when sound."""
        return "" if self.sound else f"the store has {len(self.problems)} problems"

    def told(self) -> str:
        """One line, or one line for each problem."""
        if self.sound:
            return "the store is sound"
        return "\n".join([f"{len(self.problems)} problems:", *self.problems])


@operation("store check", role="administrator", reads=True)
async def check(context: Context) -> Findings:
    """Looks through the whole mail store for anything that does not fit together; changes nothing."""
    problems = tuple(await context.checker())
    return Findings(not problems, problems)


@dataclass(frozen=True, slots=True)
class StoreState:
    """Sizes in octets; the scrub under way has read ``scrub_done`` of ``scrub_total`` contents; ``damaged`` ones are known."""

    database_bytes: int
    free_bytes: int
    file_bytes: int
    dictionaries: int
    scrubbing: bool
    scrub_done: int
    scrub_total: int
    scrubbed_at: float
    damaged: int

    def told(self) -> str:
        """A few lines for people."""
        database = f"database: {self.database_bytes / MIB:.1f} MiB, {self.free_bytes / MIB:.1f} MiB of it free"
        lines = [database, f"large messages in files: {self.file_bytes / MIB:.1f} MiB", f"dictionaries: {self.dictionaries}"]
        lines.append(f"last scrub: {stamp(self.scrubbed_at) or 'never'}")
        if self.scrubbing:
            lines.append(f"scrub under way: {100 * self.scrub_done // max(self.scrub_total, 1)}%")
        lines.append(f"damaged messages: {self.damaged}" + (" (store repair)" if self.damaged else ""))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A line for each content that is damaged."""

    sound: bool
    damaged: tuple[str, ...]

    @property
    def complaint(self) -> str:
        """One line for standard error; "" when all is well."""
        return "" if self.sound else f"{len(self.damaged)} messages are damaged; see 'store repair'"

    def told(self) -> str:
        """One line, or one line for each."""
        return "all messages are whole" if self.sound else "\n".join(self.damaged)


@dataclass(frozen=True, slots=True)
class Repaired:
    """A line for each thing that was done, or could not be."""

    done: tuple[str, ...]

    def told(self) -> str:
        """These lines."""
        return "\n".join(self.done) if self.done else "there was nothing to repair"


@dataclass(frozen=True, slots=True)
class Compacted:
    """How much smaller the database is."""

    given_back_bytes: int

    def told(self) -> str:
        """One line."""
        return f"the database is {self.given_back_bytes / MIB:.1f} MiB smaller"


def _care(context: Context) -> StoreCare:
    if context.care is None:
        raise Permanent("this node's store looks after itself")
    return context.care


@operation("store status", role="reader", reads=True)
async def status(context: Context) -> StoreState:
    """Shows how much room the mail store takes, and how far the reading of all messages is."""
    care = _care(context)
    space, scrub = await care.space(), await care.scrubbing()
    return StoreState(
        database_bytes=space.database_bytes,
        free_bytes=space.free_bytes,
        file_bytes=space.file_bytes,
        dictionaries=space.dictionaries,
        scrubbing=scrub.running,
        scrub_done=scrub.done,
        scrub_total=scrub.total,
        scrubbed_at=scrub.finished_at,
        damaged=scrub.damaged,
    )


@operation("store scrub", role="administrator")
async def scrub(context: Context) -> Scrubbed:
    """Reads every stored message and notes which are damaged, beside the mail, at low priority; waits for the end.

    A node does so by itself every ``store.scrub_days``. ``store status`` shows how far it is.
    """
    damaged = tuple(await _care(context).scrub())
    return Scrubbed(not damaged, damaged)


@operation("store repair", role="administrator")
async def repair(context: Context) -> Repaired:
    """Puts right what is wrong with the mail store, as far as that goes without guessing, and tells what it did.

    Messages that cannot be read (``store scrub`` finds them) are kept in the folder ``damaged``, and a marked message stands in
    their place.
    """
    return Repaired(tuple(await _care(context).repair()))


@operation("store compact", role="administrator")
async def compact(context: Context) -> Compacted:
    """Compresses older messages as new ones are, and gives free room back to the file system, beside the mail."""
    return Compacted(await _care(context).compact())
