"""Messages with attachments, for tests."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP


def message(*attachments: tuple[str, bytes], text: str = "Hello\r\n", subject: str = "Papers") -> bytes:
    """From lena to jane; each attachment is base64 under its name."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "lena@elsewhere.test", "jane@example.test", subject
    mail.set_content(text)
    for name, octets in attachments:
        mail.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()
