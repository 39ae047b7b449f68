"""The queue is read by the indexes made for it: a look at it costs the same however much waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse.backends.sqlite import spool
from posthouse.backends.sqlite.mail_schema import open_mail_writer

AFTER = (
    "r.next_attempt_at <= ? AND (r.next_attempt_at, r.recipient_id) > (?, ?) ORDER BY r.next_attempt_at, r.recipient_id LIMIT ?"
)


@pytest.mark.parametrize(
    ("rows", "index"), [(spool._BY_TIME, "queued_recipient_by_time"), (spool._URGENT, "queued_recipient_urgent")]
)
def test_a_page_needs_no_sorting_and_goes_by_its_own_index(tmp_path: Path, rows: str, index: str) -> None:
    connection = open_mail_writer(tmp_path / "mail.db")
    plan = [str(row[3]) for row in connection.execute("EXPLAIN QUERY PLAN " + rows + AFTER, (1, 1, 1, 1))]
    connection.close()
    assert len(plan) == 2 and index in plan[0] and "next_attempt_at>?" in plan[0]
    assert "SEARCH q USING PRIMARY KEY" in plan[1]
