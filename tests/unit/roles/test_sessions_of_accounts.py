"""Sessions end when their account is held: no service with logins is left out (OUT-5)."""

from __future__ import annotations

import pytest

from posthouse.roles.serving import SERVERS
from posthouse.servers.connection import Connection
from posthouse.servers.listener import EndsAccounts
from posthouse.servers.sessions import Sessions

WITHOUT_LOGIN = {"lmtp", "dnsbl"}


@pytest.mark.spec_part("OUT-5")
@pytest.mark.parametrize("service", sorted(SERVERS.keys() - WITHOUT_LOGIN))
def test_every_service_with_logins_ends_the_sessions_of_a_held_account(service: str) -> None:
    make = SERVERS[service]
    assert isinstance(make, type)
    assert issubclass(make, EndsAccounts)


class Peer:
    def __init__(self, account_id: int) -> None:
        self.account_id = account_id


class Session:
    """Notes that it was ended."""

    def __init__(self, account_id: int) -> None:
        self.peer = Peer(account_id)
        self.ended = False

    def end_soon(self) -> None:
        self.ended = True

    async def run(self) -> None:
        return None


async def test_only_the_sessions_of_that_account_end() -> None:
    def begin(_: Connection) -> Session:
        raise AssertionError

    sessions, all_ = Sessions(begin), [Session(7), Session(8), Session(7), Session(0)]  # type: ignore[arg-type]
    sessions._sessions = set(all_)  # type: ignore[arg-type]
    sessions.end_account(7)
    assert [session.ended for session in all_] == [True, False, True, False]
