"""From a command line to an event, or to a refusal (RFC 5321 §4.1, RFC 4954 §4, RFC 3030 §2).

Syntax only; the order of commands is the core's business. ``Facts`` is what the syntax depends on.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass

from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp import parameters, paths
from posthouse.protocols.smtp.config import Offers, ServerConfig
from posthouse.protocols.smtp.replies import CommandRefused

MAX_CHUNK_DIGITS = 12


@dataclass(slots=True)
class Facts:
    """What is on offer now, and what this transaction and connection have agreed on."""

    config: ServerConfig
    offers: Offers
    authenticated: bool = False
    smtputf8: bool = False
    binary: bool = False


def helo(facts: Facts, argument: str) -> ev.Event:
    return ev.Helo(_name(argument), esmtp=False)


def ehlo(facts: Facts, argument: str) -> ev.Event:
    return ev.Helo(_name(argument), esmtp=True)


def _name(argument: str) -> str:
    """A domain or address literal; whether it is true, or even well formed, is policy."""
    if not argument or " " in argument or len(argument) > 255 or not argument.isascii():
        raise CommandRefused(501, "5.5.4", "A host name or address literal is needed")
    return argument


def mail(facts: Facts, argument: str) -> ev.Event:
    if argument[:5].upper() != "FROM:":
        raise CommandRefused(501, "5.5.4", "Syntax: MAIL FROM:<address>")
    path, rest = paths.split_path(argument[5:])
    given = parameters.split_parameters(rest) if rest else {}
    if not argument.isascii() and "SMTPUTF8" not in given:
        raise CommandRefused(553, "5.6.7", "An address beyond ASCII needs SMTPUTF8")
    sender = parameters.sender(paths.reverse_path(path), given, facts.config, facts.offers)
    return ev.MailFrom(sender)


def rcpt(facts: Facts, argument: str) -> ev.Event:
    if argument[:3].upper() != "TO:":
        raise CommandRefused(501, "5.5.4", "Syntax: RCPT TO:<address>")
    path, rest = paths.split_path(argument[3:])
    if not argument.isascii() and not facts.smtputf8:
        raise CommandRefused(553, "5.6.7", "An address beyond ASCII needs SMTPUTF8")
    given = parameters.split_parameters(rest) if rest else {}
    return ev.RcptTo(parameters.recipient(paths.forward_path(path), given, facts.config))


def data(facts: Facts, argument: str) -> ev.Event:
    _nothing(argument)
    if facts.binary:
        raise CommandRefused(503, "5.5.1", "BODY=BINARYMIME needs BDAT")
    return ev.DataStart()


def chunk(argument: str) -> tuple[int, bool]:
    """Size and LAST of a BDAT. Raises CommandRefused; then nobody knows where the next command begins."""
    size, _, last = argument.partition(" ")
    if not size.isdigit() or not size.isascii() or len(size) > MAX_CHUNK_DIGITS or last.upper() not in ("", "LAST"):
        raise CommandRefused(501, "5.5.4", "Syntax: BDAT size [LAST]")
    return int(size), bool(last)


def burl(facts: Facts, argument: str) -> ev.Event:
    """BURL url [LAST] (RFC 4468 §3.3)."""
    url, _, last = argument.partition(" ")
    if not facts.offers.burl:
        raise CommandRefused(502, "5.5.1", "BURL is not offered")
    if ":" not in url or last.upper() not in ("", "LAST"):
        raise CommandRefused(501, "5.5.4", "Syntax: BURL url [LAST]")
    if url[:7].lower() != "imap://":
        raise CommandRefused(554, "5.5.4", "Only IMAP URLs are taken")
    return ev.Burl(url, bool(last))


def starttls(facts: Facts, argument: str) -> ev.Event:
    _nothing(argument)
    if not facts.offers.starttls:
        raise CommandRefused(502, "5.5.1", "STARTTLS is not offered")
    return ev.StartTls()


def auth(facts: Facts, argument: str) -> ev.Event:
    mechanism, _, initial = argument.partition(" ")
    mechanism = mechanism.upper()
    if not mechanism or " " in initial:
        raise CommandRefused(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
    if facts.authenticated:
        raise CommandRefused(503, "5.5.1", "Already authenticated")
    if not facts.offers.auth and facts.offers.starttls:
        raise CommandRefused(538, "5.7.11", "Encryption is required for authentication")
    if not facts.offers.auth:
        raise CommandRefused(502, "5.5.1", "AUTH is not offered")
    if mechanism not in facts.offers.auth:
        raise CommandRefused(504, "5.5.4", "This mechanism is not offered")
    if not initial:
        return ev.Auth(mechanism, None)
    return ev.Auth(mechanism, b"" if initial == "=" else decode(initial))


def decode(text: str) -> bytes:
    """Base64 of an AUTH exchange. Raises CommandRefused."""
    try:
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except binascii.Error:
        raise CommandRefused(501, "5.5.2", "Not base64") from None


def vrfy(facts: Facts, argument: str) -> ev.Event:
    return ev.Vrfy(_something(argument))


def expn(facts: Facts, argument: str) -> ev.Event:
    return ev.Expn(_something(argument))


def help_(facts: Facts, argument: str) -> ev.Event:
    return ev.Help(argument)


def noop(facts: Facts, argument: str) -> ev.Event:
    return ev.Noop()


def rset(facts: Facts, argument: str) -> ev.Event:
    _nothing(argument)
    return ev.Rset()


def quit_(facts: Facts, argument: str) -> ev.Event:
    _nothing(argument)
    return ev.Quit()


def _nothing(argument: str) -> None:
    if argument:
        raise CommandRefused(501, "5.5.4", "No argument is allowed")


def _something(argument: str) -> str:
    if not argument:
        raise CommandRefused(501, "5.5.4", "An argument is needed")
    return argument


Parser = Callable[[Facts, str], ev.Event]
COMMON: dict[str, Parser] = {
    "MAIL": mail,
    "RCPT": rcpt,
    "DATA": data,
    "BURL": burl,
    "STARTTLS": starttls,
    "AUTH": auth,
    "VRFY": vrfy,
    "EXPN": expn,
    "HELP": help_,
    "NOOP": noop,
    "RSET": rset,
    "QUIT": quit_,
}
SMTP: dict[str, Parser] = {**COMMON, "HELO": helo, "EHLO": ehlo}
LMTP: dict[str, Parser] = {**COMMON, "LHLO": ehlo}
TEXT_COMMANDS = frozenset({"MAIL", "RCPT", "VRFY", "EXPN", "HELP", "NOOP"})
"""The commands whose arguments may go beyond ASCII (RFC 6531 §3.7.4)."""
