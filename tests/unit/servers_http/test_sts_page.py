"""The MTA-STS policy that the node serves: whose it is, and what happens when the directory cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from posthouse.base.errors import Temporary
from posthouse.model.settings import Settings
from posthouse.servers.http.sts_page import PATH, StsPage


def asked(host: str, *, fails: bool = False) -> Any:
    async def domain(name: str) -> object | None:
        if fails:
            raise Temporary("The directory cannot be read now")
        return object() if name == "example.com" else None

    settings = Settings()
    settings = replace(settings, tls=replace(settings.tls, sts_mode="enforce"))
    services: Any = SimpleNamespace(
        settings=lambda: settings, node_name="mx1.example.com", directory=SimpleNamespace(domain=domain)
    )
    return TestClient(StsPage(services)).get(PATH, headers={"Host": host})


def test_a_domain_here_has_the_policy_and_others_have_none() -> None:
    told = asked("mta-sts.example.com")
    assert told.status_code == 200
    assert "mode: enforce\r\nmx: mx1.example.com" in told.text
    assert [asked(host).status_code for host in ("mta-sts.elsewhere.test", "example.com")] == [404, 404]


@pytest.mark.parametrize("host", ["mta-sts.example.com", "mta-sts.elsewhere.test"])
def test_a_directory_that_cannot_be_asked_is_no_absence_of_a_policy(host: str) -> None:
    assert asked(host, fails=True).status_code == 503
