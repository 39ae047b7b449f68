"""Address lists of header fields: mailboxes, groups, the obsolete forms that still arrive (RFC 5322 §3.4, §4.4).

Everything is linear in the length of the text, never raises, and stops after ``MAX_ENTRIES``. An entry is a triple as in
IMAP's ENVELOPE (RFC 9051 §7.5.2): ``(name, local, domain)`` for a mailbox, name None if there is none and domain "" if it
is missing; ``(None, group, None)`` where a group starts; ``(None, None, None)`` where it ends. Source routes are dropped.
``headers`` offers the everyday face of it.
"""

from __future__ import annotations

import re

Entry = tuple[str | None, str | None, str | None]

MAX_ENTRIES = 10_000
GROUP_END: Entry = (None, None, None)

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\x80-\U0010ffff]++"
_DOMAIN = r"[A-Za-z0-9_.\-\x80-\U0010ffff]++"
_NAMED = rf'(?:"([^"\\]*+)"|([^"\\<>@,;:()\[\]]*+))[ \t]*+<({_ATOM})@({_DOMAIN})>'
_SIMPLE = re.compile(rf"[ \t]*+(?:{_NAMED}|({_ATOM})@({_DOMAIN}))[ \t]*+(?:,|\Z)")
_TOKEN = re.compile(r'\s++|"((?:[^"\\]|\\.)*+)"?|([^\s"(),:;<>@\[\]\\]++)|(\[[^\]]*+\]?)|(.)', re.S)
_COMMENT_MARK = re.compile(r"[()]|\\.?", re.S)
_ESCAPED = re.compile(r"\\(.)", re.S)
_DOT_ATOM = re.compile(_ATOM)


def entries(text: str) -> list[Entry]:
    """The list's entries in order; ``text`` is unfolded (no CR or LF). RFC 2047 words in names stay as they are."""
    found: list[Entry] = []
    scan = _SIMPLE.scanner(text)  # type: ignore[attr-defined]
    position = 0
    while position < len(text):
        match = scan.match()
        if match is None:
            return _Reader(text).read()
        quoted, phrase, local, domain, bare_local, bare_domain = match.groups()
        if bare_local:
            found.append((None, bare_local, bare_domain))
        else:
            found.append((quoted or (phrase.strip() if phrase else None) or None, local, domain))
        position = match.end()
        if len(found) >= MAX_ENTRIES:
            break
    return found


def spelled(local: str, domain: str) -> str:
    """``local@domain`` as RFC 5321 writes it: the local part in quotes if it needs them."""
    if local and not _DOT_ATOM.fullmatch(local):
        local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{local}@{domain}" if domain else local


class _Reader:
    """The whole grammar, token by token. ``words`` holds what may turn out to be a phrase or an address,
    ``before`` the same in front of an ``@``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[Entry] = []
        self._in_group = False
        self._clear()

    def _clear(self) -> None:
        self._words: list[str] = []
        self._before: list[str] = []
        self._name = ""
        self._comment = ""
        self._local: str | None = None
        self._in_angle = False

    def read(self) -> list[Entry]:
        text, position = self._text, 0
        while position < len(text) and len(self._found) < MAX_ENTRIES:
            match = _TOKEN.match(text, position)
            assert match is not None  # The last branch takes any character.
            position = match.end()
            quoted, atom, literal, special = match.groups()
            if special == "(":
                position = self._skip_comment(position)
            elif special:
                self._special(special)
            elif quoted is not None:
                self._words.append(_ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted)
            elif atom or literal:
                self._words.append(atom or literal)
        self._flush()
        if self._in_group:
            self._found.append(GROUP_END)
        return self._found

    def _skip_comment(self, position: int) -> int:
        start, depth = position, 1
        while depth:
            match = _COMMENT_MARK.search(self._text, position)
            if match is None:
                return len(self._text)
            position = match.end()
            depth += {"(": 1, ")": -1}.get(match[0], 0)
        self._comment = _ESCAPED.sub(r"\1", self._text[start : position - 1]).strip()
        return position

    def _special(self, mark: str) -> None:
        if mark == "<":
            name = " ".join(self._words)
            if self._local is not None:  # An address where the name should be.
                name = " ".join(self._before) + "@" + name
            self._name, self._words, self._local, self._in_angle = name, [], None, True
        elif mark == ">":
            self._in_angle = False
        elif mark == "@":
            self._local, self._before, self._words = "".join(self._words), self._words, []
        elif mark == ":":
            self._colon()
        elif mark == ",":
            if self._in_angle and self._local == "":  # Between the hosts of a source route.
                self._words, self._local = [], None
            else:
                self._flush()
        elif mark == ";":
            self._flush()
            if self._in_group:
                self._in_group = False
                self._found.append(GROUP_END)

    def _colon(self) -> None:
        if self._in_angle:  # The end of a source route.
            self._words, self._local = [], None
        elif not self._in_group:
            group = " ".join(self._words)
            self._clear()
            self._in_group = True
            self._found.append((None, group, None))

    def _flush(self) -> None:
        name = self._name or self._comment or None
        if self._local is not None:
            self._found.append((name, self._local, "".join(self._words)))
        elif self._words:
            self._found.append((name, " ".join(self._words), ""))
        elif self._name:
            self._found.append((name, "", ""))
        self._clear()
