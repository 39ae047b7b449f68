"""A page of the queue is of one moment: a message that leaves while it is read does not make it look like the last page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from posthouse.backends.sqlite.spool import SqliteSpool
from posthouse.model.queued import QueuedMessage, QueuedRecipient
from support.mail_backends import acceptance, letter, mail_backends, to_queue


async def test_a_message_that_leaves_between_two_reads_does_not_end_the_queue_early(tmp_path: Path) -> None:
    async with mail_backends("sqlite", tmp_path) as backends:
        for trace_id in ("T1", "T2", "T3"):
            await backends.sink.commit(acceptance(letter(trace_id), to_queue(), trace_id=trace_id, received_at=1.0))
        spool = backends.spool
        assert isinstance(spool, SqliteSpool)
        grouped = spool._messages

        def first_it_leaves(recipients: Sequence[QueuedRecipient]) -> list[QueuedMessage]:
            other = apsw.Connection(str(tmp_path / "mail.db"))
            other.execute("DELETE FROM queued WHERE queue_id = 'T1'")
            other.close()
            return grouped(recipients)

        spool._messages = first_it_leaves  # type: ignore[method-assign]
        assert len(await spool.due(2.0, 2)) == 2
