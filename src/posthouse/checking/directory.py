"""Outside directories: whether each of their servers can be reached, takes our login, and has what is looked through."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.interfaces.outside_directory import TriesServers
from posthouse.model.finding import Finding
from posthouse.model.outside import LdapServer, is_here

SLOW_S = 1.0


async def check_directories(tries: TriesServers, servers: Sequence[LdapServer]) -> list[Finding]:
    """One finding for each URL. While one of a directory answers, the others are only missed."""
    found: list[Finding] = []
    for server in servers:
        tried = await tries.tried(server)
        some = any(not each.problem for each in tried)
        for each in tried:
            subject = f"{server.name} at {each.url}"
            if each.problem:
                meanwhile = "the other servers are asked meanwhile" if some else "mail that it decides about waits"
                advice = f"Look at the network, and at posthouse ldapserver show {server.name}; {meanwhile}."
                found.append(Finding("directory", subject, "warning" if some else "wrong", each.problem, advice))
            elif each.took_s > SLOW_S:
                advice = "A sender waits for each look-up; a replica nearby would help."
                found.append(Finding("directory", subject, "warning", f"answers after {each.took_s:.1f} s", advice))
            else:
                found.append(Finding("directory", subject, "ok", "answers"))
            if each.url.startswith("ldap:") and server.password and not server.starts_tls(each.url) and not is_here(each.url):
                advice = f"Say tls=starttls or ldaps:// (posthouse ldapserver set {server.name} ...)."
                found.append(Finding("directory", subject, "warning", "the password goes over the network in clear", advice))
    return found
