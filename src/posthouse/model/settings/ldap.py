"""Settings of the group ``ldap``: how outside directories are asked; which there are is ``ldapserver``'s (RTE-2)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class LdapSettings:
    """How outside directories are asked (RTE-2)."""

    connect_timeout_s: float = setting(
        3.0, "How long connecting to a server takes at most, TLS and login included; then the next one is tried.",
        unit="s", at_least=0.1, at_most=60,
    )  # fmt: skip
    search_timeout_s: float = setting(
        5.0, "How long a server's answer takes at most; then the next one is asked.", unit="s", at_least=0.1, at_most=60
    )
    retry_s: float = setting(
        2.0, "How long a server that failed is left alone; twice as long each time it fails again.", unit="s", at_least=0.1
    )
    retry_max_s: float = setting(60.0, "Longest time that a server which failed is left alone.", unit="s", at_least=0.1)
    connections: int = setting(2, "Connections that a process keeps to one server.", at_least=1, at_most=64)
    max_asked: int = setting(500, "Questions under way in a process; past them lookups fail for now.", at_least=1)
    keep_s: float = setting(300.0, "How long what was found is not asked about again; 0: not kept.", unit="s", at_least=0)
    keep_unknown_s: float = setting(
        60.0, "How long an address that is not there is not asked about again; 0: not kept.", unit="s", at_least=0
    )
    max_kept: int = setting(50_000, "Answers that a process keeps of each kind, found and not there.", at_least=0)
    max_members: int = setting(
        5_000, "Members of one group, those of groups in it that have no address included; past them its mail is put off.",
        at_least=1,
    )  # fmt: skip
