"""The demo's mail: what really arrives at an office, small, in many shapes and scripts. Knows nothing of servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000080000000808020000004b6d29dc000000114944415478da63f89fc680"
    "15310c2d09001f955941de639b310000000049454e44ae426082"
)
ICS = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Demo//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:demo-1@elsewhere.test\r\n"
    "DTSTAMP:20261124T080000Z\r\nDTSTART:20261201T130000Z\r\nDTEND:20261201T140000Z\r\nSUMMARY:Budget round\r\n"
    "ORGANIZER:mailto:lena@elsewhere.test\r\nATTENDEE:mailto:jane@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One message with its envelope. ``login`` names the account that submits it; "" means a stranger on port 25."""

    title: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    login: str = ""
    smtputf8: bool = False
    refused: bool = False


def samples(start: datetime) -> list[Sample]:
    """All of them, dated from ``start`` on, a minute apart."""
    return [_dated(sample, start + timedelta(minutes=number), number) for number, sample in enumerate(SAMPLES)]


@dataclass(frozen=True, slots=True)
class Draft:
    """A sample before it has date and identity."""

    title: str
    sender: str
    recipients: tuple[str, ...]
    build: Callable[[EmailMessage], None]
    login: str = ""
    smtputf8: bool = False
    refused: bool = False


def _dated(draft: Draft, at: datetime, number: int) -> Sample:
    message = EmailMessage(policy=SMTPUTF8 if draft.smtputf8 else SMTP)
    message["From"] = draft.sender or "Mail Delivery Subsystem <mailer-daemon@elsewhere.test>"
    message["To"] = ", ".join(draft.recipients)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<demo-{number}.{int(at.timestamp())}@{draft.sender.rpartition('@')[2] or 'elsewhere.test'}>"
    draft.build(message)
    return Sample(draft.title, draft.sender, draft.recipients, message.as_bytes(), draft.login, draft.smtputf8, draft.refused)


def _text(subject: str, body: str, **headers: str) -> Callable[[EmailMessage], None]:
    def build(message: EmailMessage) -> None:
        message["Subject"] = subject
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content(body)

    return build


def _newsletter(message: EmailMessage) -> None:
    message["Subject"] = "Autumn at the bakery"
    message["List-Unsubscribe"] = "<https://elsewhere.test/u/1>"
    message.set_content("New loaves, warm from seven.\nRye on Tuesdays.\n")
    message.add_alternative("<h1>New loaves</h1><p>Warm from seven. <b>Rye</b> on Tuesdays.</p>", subtype="html")


def _inline_picture(message: EmailMessage) -> None:
    message["Subject"] = "The new logo"
    message.set_content("See the picture.")
    message.add_alternative('<p>Here it is: <img src="cid:logo"></p>', subtype="html")
    parts = message.get_payload()
    assert isinstance(parts, list)
    html = parts[1]
    assert isinstance(html, EmailMessage)
    html.add_related(PNG, "image", "png", cid="<logo>")


def _attachments(message: EmailMessage) -> None:
    message["Subject"] = "Invoice 2026-1142"
    message.set_content("Please find the invoice and the list attached.\n")
    message.add_attachment(b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n", "application", "pdf", filename="invoice.pdf")
    message.add_attachment("item;price\nchairs;120\n", subtype="csv", filename="list.csv")


def _big(message: EmailMessage) -> None:
    message["Subject"] = "Scans of the old plans"
    message.set_content("All of them in one file.\n")
    message.add_attachment(bytes(range(256)) * 6000, "application", "octet-stream", filename="plans.bin")


def _long_name(message: EmailMessage) -> None:
    message["Subject"] = "Протокол заседания"
    message.set_content("Добрый день! Протокол во вложении.\n")
    message.add_attachment(b"...", "application", "msword", filename="Протокол заседания от двадцать третьего ноября.doc")


def _forwarded(message: EmailMessage) -> None:
    inner = EmailMessage(policy=SMTP)
    inner["From"], inner["To"], inner["Subject"] = "old@elsewhere.test", "lena@elsewhere.test", "The original"
    inner.set_content("This is what I meant.\n")
    message["Subject"] = "Fwd: The original"
    message.set_content("See below.\n")
    message.add_attachment(inner)


def _invitation(message: EmailMessage) -> None:
    message["Subject"] = "Invitation: Budget round"
    message.set_content("Can you come on Tuesday?\n")
    message.add_alternative(ICS, subtype="calendar", params={"method": "REQUEST"})


def _latin1(message: EmailMessage) -> None:
    message["Subject"] = "Grüße aus Köln"
    message.set_content("Schöne Grüße, und bis Samstag!\n", charset="iso-8859-1", cte="quoted-printable")


def _japanese(message: EmailMessage) -> None:
    message["Subject"] = "会議の件"
    message.set_content("明日の会議は十時からです。\n", charset="iso-2022-jp", cte="7bit")


LENA, SHOP = "lena@elsewhere.test", "news@shop.elsewhere.test"
JANE, OMAR, MEI = "jane@example.com", "omar@example.com", "mei@example.com"
ANNA, PAUL = "anna@example.org", "paul@example.org"

SAMPLES: tuple[Draft, ...] = (
    Draft("plain text", LENA, (JANE,), _text("Lunch on Friday?", "Shall we say half past twelve?\n\nLena\n")),
    Draft("to two users, stored once", LENA, (JANE, OMAR), _text("Both of you", "One message, two mailboxes, one body.\n")),
    Draft("text and HTML", SHOP, (ANNA,), _newsletter),
    Draft("picture inside the text", LENA, (MEI,), _inline_picture),
    Draft("two attachments", "billing@elsewhere.test", (OMAR,), _attachments),
    Draft("one and a half megabytes", LENA, (PAUL,), _big),
    Draft("Latin-1, quoted-printable", "ute@elsewhere.test", (JANE,), _latin1),
    Draft("Japanese, ISO-2022-JP", "ken@elsewhere.test", (MEI,), _japanese),
    Draft("Russian, with a long file name", "ivan@elsewhere.test", (ANNA,), _long_name),
    Draft("Arabic", "nour@elsewhere.test", (OMAR,), _text("مرحبا", "كيف حالك؟ نلتقي غدا.\n")),
    Draft("emoji and long lines", LENA, (PAUL,), _text("🎉 We did it 🎉", "🥐 " * 120 + "\n")),
    Draft(
        "from a mailing list",
        "dev-bounces@lists.elsewhere.test",
        (MEI,),
        _text(
            "[dev] Release plan",
            "We freeze on Monday.\n--\nto leave: mail dev-leave\n",
            List_Id="Developers <dev.lists.elsewhere.test>",
            List_Post="<mailto:dev@lists.elsewhere.test>",
            Precedence="list",
        ),
    ),
    Draft("a message in a message", LENA, (JANE,), _forwarded),
    Draft("an invitation", LENA, (JANE,), _invitation),
    Draft("by an alias", "press@elsewhere.test", ("info@example.com",), _text("A question", "Who may I call?\n")),
    Draft("plus-addressing", SHOP, ("jane+shop@example.com",), _text("Your order", "It is on its way.\n")),
    Draft("a bounce, null sender", "", (PAUL,), _text("Undelivered Mail", "It could not be delivered.\n")),
    Draft("internationalised address", "пётр@elsewhere.test", (ANNA,), _text("Привет", "Как дела?\n"), smtputf8=True),
    Draft("dots at line starts", LENA, (OMAR,), _text("Dots", ".\n..\n. and so on\n")),
    Draft("an open relay is tried", LENA, ("victim@faraway.test",), _text("Buy now", "No.\n"), refused=True),
    Draft("an unknown user", LENA, ("nobody@example.com",), _text("Hello?", "Anyone?\n"), refused=True),
    Draft("a reply by submission", JANE, (ANNA,), _text("Re: Lunch on Friday?", "Gladly, with Anna.\n"), login=JANE),
    Draft("between the two domains", ANNA, (JANE, MEI), _text("Friday", "I will bring the plans.\n"), login=ANNA),
)
