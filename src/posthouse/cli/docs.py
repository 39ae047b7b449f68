"""``posthouse docs FOLDER``: the reference, made from the code, so that it cannot be wrong.

settings.md from the catalogue, operations.md from the registry, metrics.md from the metrics, protocol.md (the
administration protocol) and http-api.md from written texts and the operations. A test fails when the files kept in docs/
differ.
"""

from __future__ import annotations

from pathlib import Path

from posthouse.admin import registry
from posthouse.admin.operation import Operation
from posthouse.base.metrics import REGISTRY
from posthouse.cli import http_api_text
from posthouse.cli.protocol_text import PROTOCOL
from posthouse.model.settings import CATALOGUE, GROUPS

_MADE = "<!-- Made by `posthouse docs` from the code; do not edit. -->\n"


def write(folder: Path) -> None:
    """Writes all files of the reference into ``folder``. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """File names and their texts."""
    return {
        "settings.md": settings_page(),
        "operations.md": operations_page(),
        "metrics.md": metrics_page(),
        "protocol.md": _MADE + PROTOCOL,
        "http-api.md": _MADE + http_api_text.page(),
    }


def settings_page() -> str:
    """All settings, by group."""
    lines = [
        _MADE,
        "# Settings\n",
        "Changed by `setting set KEY VALUE`, checked before they take effect (`help about settings`).\n",
    ]
    for name, group in GROUPS.items():
        lines.append(f"## {name}\n\n{(group.__doc__ or '').strip()}\n")
        lines.append("| key | default | allowed | takes effect | what for |\n| --- | --- | --- | --- | --- |")
        for spec in CATALOGUE.values():
            if spec.key.startswith(f"{name}."):
                default = spec.render(spec.default)
                shown = f"`{default}`" if default else "(empty)"
                lines.append(f"| `{spec.key}` | {shown} | {spec.allowed()} | {spec.effect} | {_cell(spec.help)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def operations_page() -> str:
    """All operations, by noun."""
    lines = [_MADE, "# Operations\n"]
    lines.append(
        "Run by `posthouse --config node.toml NOUN VERB ...`, in the shell, over the administration protocol, or "
        "the HTTP API. "
        "`--json` gives results for programs. The role is the weakest that may run it; *own domain* marks what a domain "
        "administrator may run, within their domain.\n"
    )
    for noun in registry.nouns():
        lines.append(f"## {noun}\n")
        lines += [_operation(each) for each in registry.of_noun(noun)]
    return "\n".join(lines).rstrip() + "\n"


def _operation(each: Operation) -> str:
    role = each.role + (", own domain" if each.scope == "domain" else "")
    lines = [f"### {each.name}\n", f"    {each.usage}\n", f"{each.description}\n", f"Role: {role}.\n"]
    for argument in each.arguments:
        shown = f"--{argument.word}" if argument.option else argument.word.upper()
        default = "" if argument.default in (None, "", (), False) else f" Default: `{argument.default}`."
        lines.append(f"- `{shown}`: {argument.help}{default}")
    return "\n".join([*lines, ""] if each.arguments else lines)


def metrics_page() -> str:
    """All metrics."""
    lines = [_MADE, "# Metrics\n", "Served in Prometheus' text form (MON-4).\n"]
    lines.append("| name | kind | labels | what |\n| --- | --- | --- | --- |")
    for family, labels in _families():
        lines.append(f"| `{family[0]}` | {family[1]} | {', '.join(labels)} | {_cell(family[2])} |")
    return "\n".join(lines) + "\n"


def _families() -> list[tuple[tuple[str, str, str], tuple[str, ...]]]:
    found = {}
    for collector in REGISTRY._collector_to_names:
        labels = tuple(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = ((name, family.type, family.documentation), labels)
    return [found[name] for name in sorted(found)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
