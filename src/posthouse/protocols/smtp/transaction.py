"""One mail transaction as a client sends it: what must be said to this server, and whether it can be said at all.

Extensions are used only when the server offers them (RFC 5321 §2.2.1). What cannot be sent without one it lacks is a
``CannotSend`` before anything is sent: SMTPUTF8 (RFC 6531 §3.5), REQUIRETLS (RFC 8689 §4.2.1), SIZE (RFC 1870 §6.3), DELIVERBY
with R (RFC 2852 §4.1.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from posthouse.base.errors import Permanent
from posthouse.model.envelope import Recipient, Sender
from posthouse.protocols.dots import has_bare_newline
from posthouse.protocols.smtp import wishes
from posthouse.protocols.smtp.parameters import to_xtext
from posthouse.protocols.smtp.replies import ServerReply


class CannotSend(Permanent):
    """This server lacks what the message needs. Another server may have it."""

    def reply(self) -> ServerReply:
        """As if the server had said it."""
        return ServerReply(self.code, self.enhanced, (self.public,))


@dataclass(frozen=True, slots=True)
class TransactionResult:
    """What the server said, by index into the transaction's recipients.

    ``sender_reply`` answers MAIL, ``recipients`` each RCPT (missing when it was not asked). ``data_replies`` answers the
    message, or DATA itself, for each recipient that was accepted: the same reply for all over SMTP, their own over LMTP.
    """

    sender_reply: ServerReply | None = None
    recipients: Mapping[int, ServerReply] = field(default_factory=dict)
    data_replies: Mapping[int, ServerReply] = field(default_factory=dict)

    def reply_for(self, index: int) -> ServerReply | None:
        """The reply that decided one recipient's fate; None if the server said nothing about it (try again)."""
        if self.sender_reply is not None and not self.sender_reply.positive:
            return self.sender_reply
        refusal = self.recipients.get(index)
        if refusal is None or not refusal.positive:
            return refusal
        return self.data_replies.get(index)

    def delivered(self, index: int) -> bool:
        """Whether the server has taken the message for this recipient."""
        reply = self.data_replies.get(index)
        return reply is not None and reply.positive


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is to be sent. ``content`` is the whole message with CRLF line ends."""

    sender: Sender
    recipients: Sequence[Recipient]
    content: bytes


class NoRequireTls(CannotSend):
    """RFC 8689 §4.2.1: another host of the destination may have it."""

    def __init__(self) -> None:
        super().__init__("The next server has no REQUIRETLS", code=550, enhanced="5.7.30")


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """``eight_bit_anyway``: send 8-bit content to a server without 8BITMIME, as nearly all senders do, instead of refusing.

    ``chunking_always``: use BDAT wherever it is offered, not only where DATA would not do.
    """

    eight_bit_anyway: bool = True
    chunking_always: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """The commands of a transaction. ``rcpt`` holds None for recipients that this server cannot be asked for."""

    mail: bytes
    rcpt: tuple[bytes | None, ...]
    chunking: bool


def prepare(transaction: Transaction, extensions: Mapping[str, str], policy: SendPolicy) -> Prepared:
    """Raises CannotSend."""
    sender, content = transaction.sender, transaction.content
    ascii_content = content.isascii()
    utf8 = _needs_utf8(transaction, ascii_content=ascii_content)
    if utf8 and "SMTPUTF8" not in extensions:
        raise CannotSend("The next server has no SMTPUTF8, which this message needs", code=550, enhanced="5.6.7")
    if sender.require_tls and "REQUIRETLS" not in extensions:
        raise NoRequireTls
    if sender.by is not None and sender.by.returns and sender.by.by_s < wishes.least_by_s(extensions):
        raise CannotSend("The next server does not undertake to deliver in time", code=554, enhanced="5.4.7")
    limit = extensions.get("SIZE", "")
    if limit.isascii() and limit.isdigit() and len(limit) <= 20 and 0 < int(limit) < len(content):
        raise CannotSend(f"The next server takes at most {int(limit)} octets", code=552, enhanced="5.3.4")
    can_chunk = "CHUNKING" in extensions
    body = _body(transaction, extensions, policy, ascii_content=ascii_content)
    chunking = can_chunk and (body == "BINARYMIME" or policy.chunking_always or has_bare_newline(content))
    utf8 = utf8 or (sender.smtputf8 and "SMTPUTF8" in extensions)
    words = [f"MAIL FROM:<{sender}>", *_mail_parameters(sender, extensions, len(content))]
    if body and "8BITMIME" in extensions:
        words.append(f"BODY={body}")
    if utf8:
        words.append("SMTPUTF8")
    # A host that cannot tell of a delay by itself is asked for a notice of it (RFC 2852 §4.1.4).
    tell_delay = sender.by is not None and sender.by.by_s > 0 and "DELIVERBY" not in extensions
    rcpt = tuple(_rcpt(recipient, extensions, tell_delay=tell_delay) for recipient in transaction.recipients)
    if not any(rcpt):
        raise CannotSend("The next server has no SMTPUTF8, which all recipients need", code=550, enhanced="5.6.7")
    return Prepared(" ".join(words).encode() + b"\r\n", rcpt, chunking)


def _needs_utf8(transaction: Transaction, *, ascii_content: bool) -> bool:
    """An address of the sender, or a header, beyond ASCII. A recipient alone is refused alone (see ``_rcpt``)."""
    address = transaction.sender.address
    if address is not None and not address.is_ascii:
        return True
    if ascii_content or not transaction.sender.smtputf8:
        return False
    end = transaction.content.find(b"\r\n\r\n")
    return not transaction.content[: end if end >= 0 else None].isascii()


def _body(transaction: Transaction, extensions: Mapping[str, str], policy: SendPolicy, *, ascii_content: bool) -> str:
    """The value of BODY, "" for none."""
    if transaction.sender.body == "BINARYMIME":
        if "BINARYMIME" in extensions and "CHUNKING" in extensions:
            return "BINARYMIME"
        if has_bare_newline(transaction.content) or b"\0" in transaction.content:
            raise CannotSend("The next server takes no binary messages", code=554, enhanced="5.6.3")
    if ascii_content:
        return ""
    if "8BITMIME" not in extensions and not policy.eight_bit_anyway:
        raise CannotSend("The next server takes no 8-bit messages", code=554, enhanced="5.6.3")
    return "8BITMIME"


def _mail_parameters(sender: Sender, extensions: Mapping[str, str], size_bytes: int) -> list[str]:
    words = []
    if "SIZE" in extensions:
        words.append(f"SIZE={size_bytes}")
    if sender.require_tls:
        words.append("REQUIRETLS")
    if "DSN" in extensions:
        if sender.ret:
            words.append(f"RET={sender.ret}")
        if sender.envid:
            words.append(f"ENVID={to_xtext(sender.envid)}")
    return [*words, *wishes.words(sender, extensions)]


def _rcpt(recipient: Recipient, extensions: Mapping[str, str], *, tell_delay: bool) -> bytes | None:
    if not recipient.address.is_ascii and "SMTPUTF8" not in extensions:
        return None
    words = [f"RCPT TO:<{recipient}>"]
    if "DSN" in extensions:
        notify: frozenset[str] = recipient.notify
        if tell_delay and "NEVER" not in notify:
            notify = (notify or frozenset({"FAILURE"})) | {"DELAY"}
        if notify:
            words.append("NOTIFY=" + ",".join(sorted(notify)))
        if recipient.orcpt:
            kind, _, address = recipient.orcpt.partition(";")
            words.append(f"ORCPT={kind};{to_xtext(address)}")
    return " ".join(words).encode() + b"\r\n"
