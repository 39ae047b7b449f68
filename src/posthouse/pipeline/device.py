"""Part of stage ``envelope``: a device that cannot log in sends as whoever reads mail at the same address (OUT-1).

Only on the submission ports, only where ``submission.device_login_s`` is set, and only for an account that may still log in.
From then on the connection is that account's: its sender policy, its rates, its name in the trace.
"""

from __future__ import annotations

from posthouse.directory.device_logins import DeviceLogins
from posthouse.interfaces.directory import Directory
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction


class Device(Stage):
    name = "device"

    def __init__(self, logins: DeviceLogins, directory: Directory) -> None:
        self._logins = logins
        self._directory = directory

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        session = transaction.session
        if session.account or session.service not in ("submission", "submissions"):
            return None
        found = self._logins.of(session.client_address)
        if found is None:
            return None
        account = await self._directory.account_by_id(found[1])
        if account is None or not account.enabled:
            return None
        session.account, session.account_id = str(account.address), account.account_id
        detail = f"no login; {account.address} has read mail from {session.client_address} a moment ago"
        return Continue(Reason(self.name, "reader-beside", detail))
