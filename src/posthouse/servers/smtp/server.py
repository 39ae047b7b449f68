"""One SMTP service of one worker: what its sessions share. ``session.py`` holds a connection's life."""

from __future__ import annotations

from posthouse.model.session import Service
from posthouse.model.settings import SmtpSettings
from posthouse.protocols.smtp.config import ServerConfig
from posthouse.servers.connection import Connection
from posthouse.servers.services import Services
from posthouse.servers.smtp.session import SmtpSession


class SmtpServer:
    """``service`` is smtp, lmtp, submission or submissions. ``held_bytes`` sums the messages that are coming in."""

    def __init__(self, services: Services, service: Service) -> None:
        self.services = services
        self.service: Service = service
        self.draining = False
        self.held_bytes = 0
        self.sessions: set[SmtpSession] = set()
        self._configured: tuple[SmtpSettings, ServerConfig] | None = None

    async def handle(self, connection: Connection) -> None:
        """One connection, to its end."""
        session = SmtpSession(self, connection)
        self.sessions.add(session)
        try:
            await session.run()
        finally:
            self.sessions.discard(session)

    @property
    def crowded(self) -> bool:
        """Whether more than half of the places are taken: no time then to hold anybody back."""
        return 2 * len(self.sessions) > self.services.settings().smtp.max_connections

    def drain(self) -> None:
        """Ends idle sessions with 421 now, the others when their transaction is over."""
        self.draining = True
        for session in list(self.sessions):
            session.end_if_idle()

    def end_account(self, account_id: int) -> None:
        """As ``listener.EndsAccounts``."""
        for session in tuple(self.sessions):
            if session.peer.account_id == account_id:
                session.end_soon()

    def core_config(self) -> ServerConfig:
        """What a new session's core is set up with, by the settings of this moment; the same as long as these are."""
        smtp = self.services.settings().smtp
        if self._configured is None or self._configured[0] is not smtp:
            self._configured = (smtp, self._config_by(smtp))
        return self._configured[1]

    def _config_by(self, smtp: SmtpSettings) -> ServerConfig:
        assert self.service in ("smtp", "lmtp", "submission", "submissions"), "only SMTP services are served here"
        return ServerConfig(
            hostname=smtp.hostname or self.services.node_name,
            service=self.service,
            max_message_bytes=smtp.max_message_bytes,
            max_recipients=smtp.max_recipients,
            max_transactions=smtp.max_messages_per_connection,
            max_errors=smtp.max_errors,
            bare_newline="refuse" if smtp.bare_newline == "refuse" else "normalise",
        )
