"""The error family: temporary or permanent, a public text, a private cause.

Every failure that can reach a client is one of these two. Servers render them: SMTP as ``code enhanced text``, IMAP as
``NO [CODE] text``, the command line as one line on standard error, HTTP as problem JSON. The private cause goes to the log
only. Source: RFC 5321 §4.2, RFC 3463 (enhanced codes), RFC 5530 (IMAP response codes).
"""

from __future__ import annotations


class MailError(Exception):
    """A failure with a public face.

    ``public``: one line for the stranger, without names of files, hosts or software inside the site.
    ``code``: SMTP reply code. ``enhanced``: RFC 3463 code as text, ``4.3.0``.
    ``imap_code``: RFC 5530 response code such as ``OVERQUOTA``, or "".
    ``cause``: what the log gets.
    """

    temporary = False

    def __init__(self, public: str, *, code: int, enhanced: str, imap_code: str = "", cause: str = "") -> None:
        super().__init__(f"{code} {enhanced} {public}" + (f" ({cause})" if cause else ""))
        self.public = public
        self.code = code
        self.enhanced = enhanced
        self.imap_code = imap_code
        self.cause = cause


class Temporary(MailError):
    """Try again later: SMTP 4xx."""

    temporary = True

    def __init__(
        self, public: str, *, code: int = 451, enhanced: str = "4.3.0", imap_code: str = "UNAVAILABLE", cause: str = ""
    ) -> None:
        super().__init__(public, code=code, enhanced=enhanced, imap_code=imap_code, cause=cause)


class Permanent(MailError):
    """Will not work however often it is tried: SMTP 5xx."""

    def __init__(
        self, public: str, *, code: int = 550, enhanced: str = "5.0.0", imap_code: str = "CANNOT", cause: str = ""
    ) -> None:
        super().__init__(public, code=code, enhanced=enhanced, imap_code=imap_code, cause=cause)


class NotFound(Permanent):
    """The named thing does not exist (``NONEXISTENT``)."""

    def __init__(self, public: str, *, cause: str = "") -> None:
        super().__init__(public, code=550, enhanced="5.1.1", imap_code="NONEXISTENT", cause=cause)


class AlreadyExists(Permanent):
    """The named thing exists already (``ALREADYEXISTS``)."""

    def __init__(self, public: str, *, cause: str = "") -> None:
        super().__init__(public, code=550, enhanced="5.1.4", imap_code="ALREADYEXISTS", cause=cause)


class BadValue(Permanent):
    """An argument or setting that does not fit its type or bounds."""

    def __init__(self, public: str, *, cause: str = "") -> None:
        super().__init__(public, code=501, enhanced="5.5.4", imap_code="CLIENTBUG", cause=cause)


class NoSpace(Temporary):
    """The disk is full: SMTP 452 4.3.1; nothing was written."""

    def __init__(self, cause: str = "") -> None:
        super().__init__("Insufficient system storage", code=452, enhanced="4.3.1", imap_code="LIMIT", cause=cause)
