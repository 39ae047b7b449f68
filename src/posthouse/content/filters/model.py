"""The form of a filter: conditions, actions, stop or go on, on or off (CON-1, CON-2).

Values are what people type: no escapes, no wildcards unless the operator is ``matches``. Text has ``\\n`` between lines.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Operator = Literal["is", "contains", "starts", "ends", "matches", "regex", "exists", "greater", "less", "at_least"]
"""``matches``: ``*`` any run, ``?`` one character. ``exists`` is for headers. ``at_least`` is for scores and word lists."""

TextField = Literal[
    "sender", "recipient", "from", "to", "cc", "to_or_cc", "header", "subject", "body", "attachment_name", "attachment_type",
    "attachment_content", "archive_member", "client_address", "client_host", "helo", "account", "spf", "dkim", "dmarc",
    "date", "time", "weekday",
]  # fmt: skip
OtherField = Literal[
    "size", "attachment_size", "attachment_count", "score", "word_list", "virus", "dnsbl", "direction", "authenticated",
    "client_network", "sender_domain", "recipient_domain", "sender_group", "recipient_group", "sender_address_book",
    "recipient_address_book",
]  # fmt: skip
Field = TextField | OtherField


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", tag="test"):
    """``values``: one of them is enough. ``header``: which, for the field ``header``. ``number``: for sizes (octets), counts,
    scores, and the weight of a word list (whose names are in ``values``)."""

    field: Field
    operator: Operator = "is"
    values: tuple[str, ...] = ()
    header: str = ""
    number: int | None = None
    negate: bool = False


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", tag="group"):
    """``all`` without conditions always holds."""

    mode: Literal["all", "any", "none"] = "all"
    conditions: tuple[Condition | Group, ...] = ()


class _Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="action"):
    pass


class Keep(_Action, frozen=True, tag="keep"):
    """Deliver as usual."""


class MoveTo(_Action, frozen=True, tag="move_to"):
    """Into a mailbox; ``copy``: there too, not only there; ``create``: make it if need be."""

    mailbox: str
    copy: bool = False
    create: bool = False


class Redirect(_Action, frozen=True, tag="redirect"):
    """``copy``: deliver here too."""

    address: str
    copy: bool = False


class Wiretap(_Action, frozen=True, tag="wiretap"):
    """A secret copy."""

    address: str


class Excerpt(_Action, frozen=True, tag="excerpt"):
    """A short message with the beginning of this one."""

    address: str
    chars: int = 140


class Reject(_Action, frozen=True, tag="reject"):
    """Refuse with this text."""

    reason: str


class Discard(_Action, frozen=True, tag="discard"):
    """Accept and drop."""


class Quarantine(_Action, frozen=True, tag="quarantine"):
    """Hold in the named quarantine."""

    name: str


class DeliverNow(_Action, frozen=True, tag="deliver_now"):
    """No further check."""


class TagSubject(_Action, frozen=True, tag="tag_subject"):
    """In front of the subject."""

    text: str


class AddHeader(_Action, frozen=True, tag="add_header"):
    """A further field."""

    name: str
    value: str


class RemoveHeader(_Action, frozen=True, tag="remove_header"):
    """All fields of the name."""

    name: str


class AddFooter(_Action, frozen=True, tag="add_footer"):
    """At the end of the text."""

    text: str


class StripAttachments(_Action, frozen=True, tag="strip_attachments"):
    """Those whose ``by`` matches one of ``patterns`` (``*`` and ``?``); ``notice`` is put in their place."""

    patterns: tuple[str, ...]
    by: Literal["filename", "declared", "detected", "member"] = "filename"
    notice: str = ""


class ReplaceParts(_Action, frozen=True, tag="replace_parts"):
    """Parts of a type (``text/html``) get another text."""

    type: str
    text: str


class ChangeScore(_Action, frozen=True, tag="change_score"):
    """Add to the spam score; negative points subtract."""

    points: int


class SetFlags(_Action, frozen=True, tag="set_flags"):
    """Flags such as ``\\Seen`` or ``$Important``."""

    flags: tuple[str, ...]


class Reply(_Action, frozen=True, tag="reply"):
    """Answer the sender, once in ``days``; 0 every time."""

    text: str
    subject: str = ""
    days: int = 7


class Notify(_Action, frozen=True, tag="notify"):
    """A notice by mail."""

    address: str
    text: str = ""


class Delay(_Action, frozen=True, tag="delay"):
    """Deliver only after so many seconds."""

    seconds: int


class Route(_Action, frozen=True, tag="route"):
    """Send by this host, or ``host:port``."""

    next_hop: str


class RequireTls(_Action, frozen=True, tag="require_tls"):
    """Onward only over verified TLS."""


Action = (
    Keep | MoveTo | Redirect | Wiretap | Excerpt | Reject | Discard | Quarantine | DeliverNow | TagSubject | AddHeader
    | RemoveHeader | AddFooter | StripAttachments | ReplaceParts | ChangeScore | SetFlags | Reply | Notify | Delay | Route
    | RequireTls
)  # fmt: skip


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``stop``: what stands behind it in the script is not asked any more. Its scope is whose script it stands in."""

    name: str
    conditions: Group = Group()
    actions: tuple[Action, ...] = ()
    stop: bool = True
    on: bool = True


def filter_schema() -> dict[str, Any]:
    """JSON schema of a ``Filter``."""
    return msgspec.json.schema(Filter)
