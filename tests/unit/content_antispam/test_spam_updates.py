"""Newer rules are believed by their signature, tried before they are used, and taken back (CON-10)."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from posthouse.backends.memory.rule_book import MemoryRuleBook
from posthouse.base.clock import ManualClock
from posthouse.base.errors import BadValue, Permanent, Temporary
from posthouse.content.antispam.bundles import MAX_FILE_BYTES, public_key, verified
from posthouse.content.antispam.rulegroups import shipped_groups
from posthouse.content.antispam.rules_in_use import RulesInUse
from posthouse.content.antispam.updates import RuleUpdates
from posthouse.interfaces.bundle_source import BundleSource
from posthouse.interfaces.rule_book import StoredRules
from posthouse.model.settings import ScorerSettings

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
NEW_RULE = '\n[[rules]]\nname = "NEW_RULE"\npoints = 1\nwhy = "new"\nsubject = "new"\n'


class Shelf:
    """A source in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.read_names: list[str] = []

    async def read(self, name: str, *, limit_bytes: int) -> bytes:
        self.read_names.append(name)
        if name not in self.files or len(self.files[name]) > limit_bytes:
            raise Temporary("not there", cause=name)
        return self.files[name]


def bundle(version: int, files: Mapping[str, bytes], key: Ed25519PrivateKey = KEY) -> dict[str, bytes]:
    lines = [f"{hashlib.sha256(octets).hexdigest()}  {name}" for name, octets in files.items()]
    manifest = "\n".join(["posthouse-rules 1", f"version {version}", *lines, ""]).encode()
    return {**files, "manifest": manifest, "manifest.sig": base64.b64encode(key.sign(manifest)) + b"\n"}


def good(version: int = 10) -> dict[str, bytes]:
    return bundle(version, {"default.toml": (shipped_groups()["default"] + NEW_RULE).encode()})


class Bench:
    """The parts together."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.clock = ManualClock()
        self.shelf = Shelf(files)
        self.settings = ScorerSettings(update_from="/rules", update_key=PUBLIC)
        self.book = MemoryRuleBook()
        self.rules = RulesInUse(self.book, lambda: self.settings)
        self.updates = RuleUpdates(self.book, self.source, lambda: self.settings, self.clock)

    def source(self, place: str) -> BundleSource:
        assert place == "/rules"
        return self.shelf

    async def names(self) -> set[str]:
        return {rule.name for rule in (await self.rules.current()).rules}


async def test_a_signed_bundle_is_taken_over_once() -> None:
    bench = Bench(good())
    assert "NEW_RULE" not in await bench.names()
    first = await bench.updates.update()
    assert (first.version, first.new) == (10, True)
    assert "NEW_RULE" in await bench.names()
    again = await bench.updates.update()
    assert (again.version, again.new) == (10, False)


async def test_going_back_holds_until_there_is_something_newer() -> None:
    bench = Bench(good())
    await bench.updates.update()
    assert await bench.updates.roll_back() == 0
    assert "NEW_RULE" not in await bench.names()
    assert (await bench.updates.update()).new is False
    assert "NEW_RULE" not in await bench.names()
    bench.shelf.files = good(11)
    assert (await bench.updates.update()).new is True


async def test_an_old_bundle_replayed_by_an_attacker_changes_nothing() -> None:
    bench = Bench(good(12))
    await bench.updates.update()
    bench.shelf.files = bundle(11, {"default.toml": b"name = 'default'"})
    assert (await bench.updates.update()).new is False
    assert "NEW_RULE" in await bench.names()


BROKEN: dict[str, dict[str, bytes]] = {
    "signed by somebody else": bundle(20, {"default.toml": b"x"}, Ed25519PrivateKey.from_private_bytes(b"1" * 32)),
    "a file changed": {**good(20), "default.toml": b"name = 'default'\n"},
    "the manifest changed": {**good(20), "manifest": good(20)["manifest"].replace(b"version 20", b"version 99")},
    "no signature": {**good(20), "manifest.sig": b"!!"},
    "rules not understood": bundle(20, {"default.toml": b'name = "default"\n[[rules]]\nname = "X"\n'}),
    "the default group gone": bundle(20, {"europe.toml": shipped_groups()["europe"].encode()}),
    "a group that calls itself otherwise": bundle(20, {"default.toml": shipped_groups()["no8bit"].encode()}),
    "samples misjudged": bundle(20, {"default.toml": b'name = "default"\n'}),
    "not text": bundle(20, {"default.toml": b"\xff\xfe"}),
    "a sample of its own misjudged": bundle(
        20, {"default.toml": shipped_groups()["default"].encode(), "samples/spam-x.eml": b"Subject: hi\n\nhi\n"}
    ),
    "a name that leads out": bundle(20, {"../default.toml": b"x"}),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_not_good_is_refused_and_the_rules_stay(what: str) -> None:
    bench = Bench(good())
    await bench.updates.update()
    bench.shelf.files = BROKEN[what]
    with pytest.raises(Permanent):
        await bench.updates.update()
    assert "NEW_RULE" in await bench.names()
    assert (await bench.book.history())[0].version == 10
    assert not any(".." in name for name in bench.shelf.read_names)


async def test_a_source_that_does_not_answer_or_says_too_much_changes_nothing() -> None:
    bench = Bench({})
    with pytest.raises(Temporary):
        await bench.updates.update()
    bench.shelf.files = bundle(20, {"default.toml": b"#" * (MAX_FILE_BYTES + 1)})
    with pytest.raises(Temporary):
        await bench.updates.update()
    assert await bench.book.in_use() is None


async def test_nothing_is_taken_over_without_a_key() -> None:
    bench = Bench(good())
    bench.settings = replace(bench.settings, update_key="")
    with pytest.raises(BadValue):
        await bench.updates.update()
    bench.settings = replace(bench.settings, update_key="c2hvcnQ=")
    with pytest.raises(Permanent, match="key"):
        await bench.updates.update()


async def test_it_is_looked_for_on_schedule() -> None:
    bench = Bench(good())
    bench.clock.advance(7 * 3600.0)
    found = await bench.updates.look()
    assert found is not None
    assert found.new
    bench.clock.advance(3600.0)
    assert await bench.updates.look() is None
    bench.clock.advance(6 * 3600.0)
    assert await bench.updates.look() is not None
    bench.settings = replace(bench.settings, update_from="")
    bench.clock.advance(7 * 3600.0)
    assert await bench.updates.look() is None


async def test_rules_that_this_program_does_not_understand_are_passed_over_for_its_own() -> None:
    bench = Bench({})
    await bench.book.take_over(StoredRules(99, 0.0, "a newer program", {"default": 'name = "default"\nnew_thing = 1\n'}))
    assert "DMARC_FAIL" in await bench.names()


async def test_groups_and_rules_are_chosen_by_settings() -> None:
    bench = Bench({})
    assert "EU_MONEY" not in await bench.names()
    bench.settings = replace(bench.settings, rule_groups=("default", "europe", "nowhere"), rules_off=("HTML_ONLY",))
    assert "EU_MONEY" in await bench.names()
    assert "HTML_ONLY" not in await bench.names()


def test_the_guides_commands_make_a_bundle_that_holds(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "default.toml").write_text(shipped_groups()["default"])
    (tmp_path / "samples" / "ham-x.eml").write_text("Subject: hi\n\nhi\n")
    script = """
        openssl genpkey -algorithm ed25519 -out key.pem
        (echo posthouse-rules 1; echo version $(date +%Y%m%d%H); sha256sum *.toml samples/*) > manifest
        openssl pkeyutl -sign -inkey key.pem -rawin -in manifest | base64 > manifest.sig
        openssl pkey -in key.pem -pubout -outform DER | tail -c 32 | base64
    """
    done = subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    manifest = verified(
        (tmp_path / "manifest").read_bytes(), (tmp_path / "manifest.sig").read_bytes(), public_key(done.stdout.strip())
    )
    assert set(manifest.files) == {"default.toml", "samples/ham-x.eml"}
