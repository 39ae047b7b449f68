"""Pages as a browser without scripts sees them: forms with what they would send, tables, alerts, text; and somebody who uses
them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2

from support.api_face import named
from support.node import Node

_VOID = ("input", "meta", "link", "br", "img")


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    ids: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


@dataclass
class Page:
    """``tags`` are all tags with their attributes; ``alert`` is what went wrong, "" if nothing."""

    title: str = ""
    text: str = ""
    alert: str = ""
    result: str = ""
    forms: list[Form] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def form(self, action: str) -> Form:
        (found,) = [each for each in self.forms if each.action == action]
        return found

    @property
    def main_form(self) -> Form:
        """The page's own."""
        return next(each for each in self.forms if each.action != "/admin/logout")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._open: list[tuple[str, dict[str, str]]] = []
        self._select: tuple[str, list[tuple[str, bool]]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.page.tags.append((tag, given))
        if tag not in _VOID:
            self._open.append((tag, given))
        if tag == "form":
            self.page.forms.append(Form(given["action"]))
        elif tag == "a":
            self.page.links.append(given.get("href", ""))
        elif tag == "tr":
            self.page.rows.append([])
        elif tag in ("td", "th"):
            self.page.rows[-1].append("")
        elif tag in ("input", "textarea", "select"):
            self._field(tag, given)
        elif tag == "label":
            self.page.forms[-1].labels.add(given["for"])
        elif tag == "option" and self._select is not None:
            self._select[1].append((given.get("value", "\0"), "selected" in given))

    def _field(self, tag: str, given: dict[str, str]) -> None:
        form, name = self.page.forms[-1], given["name"]
        form.kinds[name] = given.get("type", "text") if tag == "input" else "hidden" if "hidden" in given else tag
        form.ids[name] = given.get("id", "")
        if tag == "select":
            self._select = (name, [])
        elif given.get("type") == "checkbox":
            if "checked" in given:
                form.fields[name] = given["value"]
        else:
            form.fields[name] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if "textarea" in tags:
            name = self._open[-1][1]["name"]
            self.page.forms[-1].fields[name] += data
            return
        if "option" in tags and self._select is not None:
            value, chosen = self._select[1][-1]
            self._select[1][-1] = (data if value == "\0" else value, chosen)
            return
        self.page.text += data
        if "title" in tags:
            self.page.title += data
        if any(given.get("role") == "alert" for _, given in self._open):
            self.page.alert += data
        if any(given.get("role") == "status" for _, given in self._open) or "table" in tags:
            self.page.result += data + "\n" * (tags[-1:] in (["td"], ["dt"], ["dd"], ["li"]))
        if "td" in tags or "th" in tags:
            self.page.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass
        if tag == "select" and self._select is not None:
            name, options = self._select
            chosen = [value for value, is_chosen in options if is_chosen] or [options[0][0]]
            self.page.forms[-1].fields[name] = chosen[0]
            self._select = None
        if tag == "textarea":
            form = self.page.forms[-1]
            last = list(form.fields)[-1]
            form.fields[last] = form.fields[last].removeprefix("\n")


def read(html: str) -> Page:
    """What is on it."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


class PagesFace:
    """Uses the pages of a running node as somebody with a browser does; commands are written as in the shell."""

    def __init__(self, node: Node, login: str, password: str) -> None:
        self._login, self._password = login, password
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{node.ports['http']}", timeout=60, follow_redirects=True)

    def ask(self, *words: str) -> Page:
        """One operation by its form; the page with what it gave. Fails if it was refused."""
        path, given = named(words)
        action = path.replace("/api/v1/", "/admin/")
        page = self._get(action)
        filled = {name: _text(value) for name, value in given.items()}
        page = self._submit(page.form(action), filled)
        if "confirmed" in page.main_form.fields:
            page = self._submit(page.form(action), {})
        assert not page.alert, (words, page.alert)
        return page

    def _get(self, path: str) -> Page:
        page = read(self._client.get(path).text)
        if page.forms[-1].action == "/admin/login":
            page = self._submit(page.main_form, {"login": self._login, "password": self._password})
            assert "/admin/logout" in [each.action for each in page.forms], page.alert
            page = read(self._client.get(path).text)
        return page

    def _submit(self, form: Form, filled: dict[str, str]) -> Page:
        return read(self._client.post(form.action, data=form.fields | filled).text)

    def close(self) -> None:
        self._client.close()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(value)
    return "on" if value is True else str(value)
