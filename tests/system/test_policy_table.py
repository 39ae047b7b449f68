"""The whole policy in one table: each row is a message with its envelope and client, and what is to become of it and why.

The table stands in ``support/policy``. All its messages are sent to one real node over real sockets, by the PROXY protocol from
their own addresses, with a real name server and a real virus scanner behind it; then each row is held against the reply, the
trace (stage and rule that decided) and the mailboxes.
"""

from __future__ import annotations

import contextlib
import imaplib
import socket
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from posthouse.model.settings import spec_of
from support.clamav import Clamd
from support.clients import proxy_v1
from support.knot import Knot
from support.node import PASSWORD, POSTHOUSE, Node, running, until
from support.policy import contents, filters, sessions, world
from support.policy.case import Case
from support.policy.sending import greeting, once

CASES: list[Case] = [*sessions.CASES, *filters.CASES, *contents.CASES]
NAMES = [case.name for case in CASES]
ROWS = Counter(row for case in CASES for row in case.rows)
pytestmark = pytest.mark.timeout(240)


@dataclass
class Results:
    """``replies`` by case; ``stories`` by Message-ID and by sender; ``mail`` by Message-ID: (place, content)."""

    replies: dict[str, tuple[int, str]] = field(default_factory=dict)
    stories: dict[str, dict[str, Any]] = field(default_factory=dict)
    mail: dict[str, list[tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(list))

    def story(self, case: Case) -> dict[str, Any]:
        found = self.stories.get(case.message_id) or self.stories.get(case.mail_from or case.rcpt[0])
        assert found is not None, "no trace"
        return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    folder = tmp_path_factory.mktemp("table")
    with (
        Clamd(folder / "clamd") as clamd,
        Knot(folder / "knot", world.RECORDS) as knot,
        running(folder / "node", services=("smtp", "submission", "imap"), workers=1, extra=knot.toml) as node,
    ):
        furnish(node)
        found = Results()
        shell, before = Shell(node), dict[str, str]()
        for phase, settings in world.PHASES.items():
            back = {key: usual(key) for key in before}
            shell.change(phase, back | {key: value.replace("$CLAMD", clamd.tcp) for key, value in settings.items()})
            before = settings
            for case in CASES:
                if case.phase == phase:
                    found.replies[case.name] = sent(node, case)
        shell.close()
        read_traces(node, found)
        read_mail(node, found)
        yield found


def furnish(node: Node) -> None:
    """Settings, users, lists, routes, scripts."""
    lines = [f"setting set {key} {value or chr(34) * 2}" for key, value in world.SETTINGS.items()]
    lines += [f"user add {name}@example.test --password {PASSWORD!r}" for name in world.USERS if name not in ("jane", "omar")]
    done = node.run("shell", stdin="\n".join((*lines, world.COMMANDS)))
    assert not done.stderr, done.stderr
    for words, text in world.SCRIPTS:
        node.run(*words, stdin=text)


class Shell:
    """One shell for all changes of settings; the host name in the greeting tells when they hold."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._process = subprocess.Popen(
            [*POSTHOUSE, "--config", str(node.config), "shell"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def change(self, phase: str, settings: dict[str, str]) -> None:
        """From one phase to the next: what the last one changed is as in the base again."""
        host = f"{phase}.mx.example.test"
        lines = [*(f"setting set {key} {value!r}" for key, value in settings.items()), f"setting set smtp.hostname {host}"]
        assert self._process.stdin is not None
        self._process.stdin.write("\n".join(lines) + "\n")
        self._process.stdin.flush()
        until(lambda: greeting(self._node) == host, 30, 0.01)

    def close(self) -> None:
        _, errors = self._process.communicate(timeout=30)
        assert not errors, errors


def usual(key: str) -> str:
    """A setting's value in the base phase."""
    return world.SETTINGS[key] if key in world.SETTINGS else spec_of(key).render(spec_of(key).default)


def sent(node: Node, case: Case) -> tuple[int, str]:
    """Sends it, as often as the row says; gives the last reply."""
    reply = (0, "")
    for _ in range(case.repeat + 1):
        reply = once(node, case)
    return reply


def read_traces(node: Node, found: Results) -> None:
    def complete() -> Sequence[dict[str, Any]]:
        stories: list[dict[str, Any]] = node.json("mail", "trace", "--since", "1h", "--limit", "5000")
        for story in reversed(stories):
            for key in (story["sender"].strip("<>") or next(iter(story["recipients"]), ""), story["message_id"]):
                if key:
                    found.stories[key] = story
        return [] if lacking(found) else stories

    with contextlib.suppress(AssertionError):  # what is missing is told row by row
        until(complete, 60, 0.5)


def lacking(found: Results) -> list[str]:
    return [
        case.name
        for case in CASES
        if case.stage and not {case.message_id, case.mail_from or case.rcpt[0]} & found.stories.keys()
    ]


class ProxiedImap(imaplib.IMAP4):
    """imaplib behind a balancer."""

    def _create_socket(self, timeout: float | None) -> socket.socket:
        peer = socket.create_connection((self.host, self.port), timeout)
        peer.sendall(proxy_v1("127.0.0.1"))
        return peer


def read_mail(node: Node, found: Results) -> None:
    people = [f"{name}@example.{'org' if name == 'omar' else 'test'}" for name in world.USERS if name != "gone"]
    for who in people:
        client = ProxiedImap("127.0.0.1", node.ports["imap"], timeout=30)
        client.login(f'"{who}"', PASSWORD)
        for line in client.list()[1]:
            assert isinstance(line, bytes)
            name = line.decode().rpartition('"/" ')[2].strip('"')
            kind, count = client.select(f'"{name}"', readonly=True)
            if kind != "OK" or count == [b"0"]:
                continue
            for item in client.fetch("1:*", "(BODY.PEEK[])")[1]:
                if isinstance(item, tuple):
                    keep(found, f"{name} of {who}", item[1])
        client.logout()


def keep(found: Results, place: str, content: bytes) -> None:
    lower = content.lower()
    start = lower.find(b"\r\nmessage-id:")
    if start >= 0:
        message_id = content[start + 13 : content.index(b"\r\n", start + 13)].strip().decode()
        found.mail[message_id].append((place, content))


@pytest.mark.spec_part(
    "CON-1", "CON-2", "CON-4", "CON-5", "CON-7", "CON-8", "CON-10", "CON-11", "CON-12", "CON-13", "CON-14", "QTN-1"
)
@pytest.mark.spec_part("NET-1", "NET-2", "NET-3", "NET-4", "NET-5", "MAU-1", "RTE-1", "RTE-3", "RTE-4", "RTE-5")
@pytest.mark.spec_part("INB-1", "INB-2", "INB-3", "INB-4", "INB-5", "INB-7", "INB-8", "INB-9", "GRY-1", "GRY-2", "GRY-4")
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_each_message_of_the_table_is_treated_as_it_says_and_the_trace_says_why(case: Case, results: Results) -> None:
    code, text = results.replies[case.name]
    story = results.stories.get(case.message_id)
    assert code == case.code, f"{code} {text}; {told(story) if story else ''}"
    assert case.text in text
    if not case.stage:
        return
    story = results.story(case)
    events = [event for event in story["events"] if event["service"] in ("smtp", "submission")]
    assert case.outcome in ("", events[-1]["outcome"]), told(story)
    fitting = [step for step in steps_of(story) if fits(case, step)]
    assert fitting, told(story)
    if case.place:
        lies(case, results.mail[case.message_id])


def told(story: dict[str, Any]) -> str:
    """The steps that decided, for a failure's text."""
    quiet = ("names", "sender", "envelope", "authenticate", "route")
    return "\n" + "\n".join(" ".join(step) for step in steps_of(story) if step[0] not in quiet or step[2] != "pass")


def steps_of(story: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        (step["stage"], step["rule"], step["verdict"], step["detail"]) for event in story["events"] for step in event["steps"]
    ]


def fits(case: Case, step: tuple[str, str, str, str]) -> bool:
    stage, rule, verdict, detail = step
    return (stage, rule) == (case.stage, case.rule) and case.verdict in ("", verdict) and case.detail in detail


def lies(case: Case, mail: list[tuple[str, bytes]]) -> None:
    contents_there = [content for place, content in mail if place == case.place]
    assert len(contents_there) == 1, [place for place, _ in mail]
    (content,) = contents_there
    assert case.gets in content
    assert not case.lacks or case.lacks not in content


CONTENT_CONTROL = ("priority-filters", "outbreak", "antivirus", "antispam", "domain-filters", "junk", "user-filters")


def test_content_control_is_in_its_fixed_order_in_every_trace(results: Results) -> None:
    met = set()
    for story in results.stories.values():
        for event in story["events"]:
            if event["service"] not in ("smtp", "submission"):
                continue
            asked = [step["stage"] for step in event["steps"] if step["stage"] in CONTENT_CONTROL and step["rule"] != "forged"]
            met |= set(asked)
            assert asked == sorted(asked, key=CONTENT_CONTROL.index), told(story)
    assert met == set(CONTENT_CONTROL)


def test_the_table_is_long_enough_and_covers_every_row_it_is_for() -> None:
    assert len(CASES) >= 150
    assert len(set(NAMES)) == len(NAMES), [name for name, count in Counter(NAMES).items() if count > 1]
    wanted = {f"NET-{n}" for n in range(1, 6)} | {f"INB-{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9)} | {"GRY-1", "GRY-2", "GRY-4"}
    wanted |= {f"CON-{n}" for n in (1, 2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 14)} | {
        "MAU-1",
        "RTE-1",
        "RTE-3",
        "RTE-4",
        "RTE-5",
        "QTN-1",
    }
    assert wanted <= ROWS.keys(), wanted - ROWS.keys()


def test_every_phase_of_the_table_is_used() -> None:
    assert {case.phase for case in CASES} == set(world.PHASES)
