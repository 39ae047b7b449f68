"""Settings: typed, checked, versioned, with undo; exported and imported as text (ADM-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from posthouse.admin.arguments import Document, UsageError
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base.errors import BadValue, NotFound
from posthouse.base.settings import Value, without_passwords
from posthouse.interfaces.configuration import SettingChange
from posthouse.model.settings import CATALOGUE, Settings, spec_of

_ALL_HISTORY = 1_000_000


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting and its value, as text that can be set again."""

    key: str
    value: str
    default: str


@dataclass(frozen=True, slots=True)
class SettingDetail:
    """One setting with all that is known of it."""

    key: str
    value: str
    default: str
    allowed: str
    effect: str
    help: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change: who, when, before, after."""

    version: int
    at: str
    who: str
    key: str
    before: str
    after: str


def row(settings: Settings, key: str) -> SettingRow:
    """One setting of a snapshot as shown. Raises NotFound."""
    spec = spec_of(key)
    return SettingRow(spec.key, spec.show(settings.get(spec.key)), spec.render(spec.default))


def _whole(settings: Settings, key: str) -> SettingRow:
    """With passwords, for whoever may set them."""
    spec = CATALOGUE[key]
    return SettingRow(key, spec.render(settings.get(key)), spec.render(spec.default))


def _change(change: SettingChange) -> ChangeRow:
    before, after = _shown(change.key, change.before), _shown(change.key, change.after)
    return ChangeRow(change.version, stamp(change.at), change.who, change.key, before, after)


def _shown(key: str, text: str) -> str:
    return without_passwords(text) if key in CATALOGUE and CATALOGUE[key].secret else text


@operation("setting get", role="reader", reads=True, columns=("key", "value"))
async def get(context: Context, key: str) -> SettingDetail:
    """Shows a setting's value, default, bounds, when it takes effect, and what it is for.

    Args:
        key: group and name, such as smtp.max_recipients.
    """
    return await detail(context, key)


@operation("setting list", role="reader", reads=True, columns=("key", "value"))
async def list_(context: Context, pattern: str = "*", *, changed: bool = False) -> Sequence[SettingRow]:
    """Lists settings with their values.

    Args:
        pattern: a group such as smtp, or a key with * for any run of characters.
        changed: only those that differ from their default.
    """
    return await rows(context, pattern, changed=changed)


@operation("setting set", role="administrator")
async def set_(context: Context, key: str, value: tuple[str, ...]) -> SettingRow:
    """Changes a setting. It is checked first, and takes effect without a restart unless the reference says otherwise.

    Args:
        key: group and name, such as smtp.max_recipients.
        value: the new value; lists are several words, and an empty word is the empty value.
    """
    return await put(context, key, value)


@operation("setting reset", role="administrator")
async def reset(context: Context, key: str) -> SettingRow:
    """Gives a setting its default again.

    Args:
        key: group and name, such as smtp.max_recipients.
    """
    spec = spec_of(key)
    return row(await apply(context, [(spec.key, spec.default)]), key)


@operation("setting history", role="reader", reads=True)
async def history(context: Context, key: str = "", *, limit: int = 100) -> Sequence[ChangeRow]:
    """Shows who changed what and when, with the values before and after, newest first.

    Args:
        key: only changes of this setting.
        limit: how many to show at most.
    """
    wanted = spec_of(key).key if key else ""
    return [_change(change) for change in await context.configuration.history(key=wanted, limit=limit)]


@operation("setting undo", role="administrator")
async def undo(context: Context, version: int | None = None) -> Sequence[ChangeRow]:
    """Takes back one version: its settings get the values from before it. The undoing is a new version itself.

    Args:
        version: which version, as the history shows it; without it the newest.
    """
    changes = await context.configuration.history(limit=_ALL_HISTORY)
    wanted = changes[0].version if version is None and changes else version
    undone = [change for change in changes if change.version == wanted]
    if not undone:
        raise NotFound("there is no change to undo" if version is None else f"there is no version {version}")
    settings = await apply(context, [(change.key, spec_of(change.key).parse(change.before)) for change in undone])
    return [
        ChangeRow(
            settings.version,
            stamp(context.clock.now()),
            context.who,
            change.key,
            _shown(change.key, change.after),
            _shown(change.key, change.before),
        )
        for change in undone
    ]


@operation("setting export", role="reader", reads=True)
async def export(context: Context, *, changed: bool = False) -> str:
    """Writes all settings as text, one ``key = value`` a line, that ``setting import`` reads.

    Args:
        changed: only those that differ from their default.
    """
    settings = await context.configuration.load()
    rows = [_whole(settings, key) if context.role == "administrator" else row(settings, key) for key in CATALOGUE]
    return "\n".join(f"{each.key} = {each.value}".rstrip() for each in rows if not changed or each.value != each.default)


@operation("setting import", role="administrator")
async def import_(context: Context, text: Document) -> Sequence[SettingRow]:
    """Reads settings from text on standard input, one ``key = value`` a line; all take effect together, or none.

    Args:
        text: lines of ``key = value``; empty lines and lines that begin with # are passed over.
    """
    changes = parse_lines(text)
    before = await context.configuration.load()
    different = [(key, value) for key, value in changes if before.get(key) != value]
    if not different:
        return []
    settings = await apply(context, different)
    return [row(settings, key) for key, _ in different]


def parse_lines(text: str) -> list[tuple[str, Value]]:
    """The settings in an exported text. Raises BadValue with the line's number."""
    out: dict[str, Value] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        try:
            if not equals:
                raise BadValue("a line has the form key = value")
            spec = spec_of(key.strip())
            out[spec.key] = spec.parse(value)
        except (BadValue, NotFound) as error:
            raise BadValue(f"line {number}: {error.public}") from None
    return list(out.items())


async def detail(context: Context, key: str) -> SettingDetail:
    """All that is known of one setting. Raises NotFound."""
    spec = spec_of(key)
    current = row(await context.configuration.load(), key)
    return SettingDetail(spec.key, current.value, current.default, spec.allowed(), spec.effect, spec.help)


async def rows(context: Context, pattern: str, *, changed: bool) -> Sequence[SettingRow]:
    """The settings of a group, or whose keys fit a pattern."""
    settings = await context.configuration.load()
    wanted = pattern.lower()
    keys = [key for key in CATALOGUE if fnmatchcase(key, wanted) or key.startswith(f"{wanted}.")]
    found = [row(settings, key) for key in keys]
    return [each for each in found if not changed or each.value != each.default]


async def put(context: Context, key: str, words: Sequence[str]) -> SettingRow:
    """Sets one setting from words. Raises NotFound, BadValue, UsageError."""
    spec = spec_of(key)
    if not words:
        raise UsageError(f"{spec.key}: give the value, {spec.allowed()}")
    return row(await apply(context, [(spec.key, spec.parse(" ".join(words)))]), key)


async def apply(context: Context, changes: Sequence[tuple[str, Value]]) -> Settings:
    """Writes changes as one version and tells all processes of the node."""
    settings = await context.configuration.put(changes, who=context.who, at=context.clock.now())
    context.bus.publish("settings", {"version": settings.version})
    return settings
