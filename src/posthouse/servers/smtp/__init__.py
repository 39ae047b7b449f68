"""SMTP, LMTP and submission: the driver around ``protocols.smtp.server`` and the path of ``pipeline``."""

from posthouse.servers.smtp.server import SmtpServer

__all__ = ["SmtpServer"]
