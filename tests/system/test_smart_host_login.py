"""A smart host that asks for a login: a second node's submission service. The password is shown to nobody (RTE-1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.node import PASSWORD, Node, running, until
from support.sending import inbox, queue, submit, until_queue_is_empty

OMAR = "omar@faraway.test"
SECRET = PASSWORD.replace(" ", "%20")


@dataclass
class Net:
    node: Node
    far: Node

    def smart_host(self, password: str = SECRET) -> str:
        return f"smtp://omar%40faraway.test:{password}@127.0.0.1:{self.far.ports['submission']}"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("login")
    far = Node(folder / "far", services=("smtp", "submission", "pop3"), workers=1, name="mx.faraway.test")
    with far, running(folder / "node", workers=1) as node:
        far.run("domain", "add", "faraway.test")
        far.add_user(OMAR)
        node.run("setting", "set", "queue.first_retry_s", "600")
        yield Net(node, far)


@pytest.mark.spec_part("RTE-1", "OUT-9")
def test_mail_goes_by_the_smart_host_after_a_login_over_tls(net: Net) -> None:
    net.node.run("setting", "set", "route.smart_host", net.smart_host())
    submit(net.node, "by login", OMAR)
    until_queue_is_empty(net.node)
    message = until(lambda: next((each for each in inbox(net.far, OMAR) if each["Subject"] == "by login"), None))
    assert "with ESMTPSA" in message["Received"]


def test_a_login_that_is_refused_keeps_the_mail_and_says_why(net: Net) -> None:
    net.node.run("setting", "set", "route.smart_host", net.smart_host("wrong"))
    submit(net.node, "refused", OMAR)
    [row] = until(lambda: [each for each in queue(net.node) if each["last_reply"]])
    assert "the login was refused: 535" in str(row["last_reply"])
    net.node.run("queue", "delete", str(row["queue_id"]))


def test_attack_the_password_is_nowhere_to_be_read(net: Net) -> None:
    net.node.run("setting", "set", "route.smart_host", net.smart_host("hidden-pw"))
    shown = net.node.run("setting", "list", "route").stdout + net.node.run("setting", "get", "route.smart_host").stdout
    shown += net.node.run("setting", "history").stdout + net.node.run("audit", "list").stdout
    assert "hidden-pw" not in shown + net.node.log()
    assert "***" in shown
    bad = net.node.run("setting", "set", "route.smart_host", "smtp://user:hidden-pw@a b", check=False)
    assert bad.returncode != 0 and "hidden-pw" not in bad.stderr
    route = net.node.run("route", "add", "x.test", net.smart_host(), check=False)
    assert route.returncode != 0
