"""Settings of the group ``web``: the HTTP API and the administration pages (ADM-4, ADM-6)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The HTTP API and the administration pages (ADM-4, ADM-6)."""

    api: bool = setting(True, "Serve the HTTP API, at `/api/v1/` of `http` and `https`.")
    pages: bool = setting(True, "Serve the administration pages, at `/admin/` of `http` and `https`.")
    users: bool = setting(
        False, "Let people without an administrative role into these pages, for their own lists, junk and held mail."
    )
    requests_per_minute: int = setting(
        600, "Requests that one account, or one of its tokens, may make in a minute; more are told to wait.", at_least=1
    )
    idle_s: float = setting(
        1800.0, "A session of the administration pages ends when it was not used for so long.", unit="s", at_least=60
    )
    session_s: float = setting(
        43_200.0, "Longest life of a session of the administration pages.", unit="s", at_least=60, at_most=604_800
    )
