"""Well-formed messages of any shape, written by the standard library: its parser and our index see the same."""

from __future__ import annotations

import email
import email.policy
from email.message import Message
from email.mime.application import MIMEApplication
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats.mime import index, sections, summarise
from posthouse.formats.mime.parameters import parameter
from posthouse.model.summary import Part

# Lines like delimiters of the boundaries below that are none.
ALIKE = ["--", "--bx", "--bbbb", "--bb--x", "--b-", " --b", "x--bb", "-b", "From x", "", "A: b"]
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)
LINES = st.lists(st.one_of(WORDS.filter(lambda line: not line.startswith("--")), st.sampled_from(ALIKE)), max_size=4).map(
    "\n".join
)
BOUNDARIES = st.sampled_from(["b", "bb", "bbb", "b b", "=_x", "b--", "--b"])


SUBTYPES = st.sampled_from(["mixed", "alternative", "x-new"])


def text(body: str, subtype: str) -> Message:
    return MIMEText(body, subtype, "us-ascii" if body.isascii() else "utf-8")


def attachment(data: bytes, name: str) -> Message:
    part = MIMEApplication(data)
    part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    return part


def multipart(subtype: str, boundary: str, parts: list[Message]) -> Message:
    whole = MIMEMultipart(subtype, boundary)
    for part in parts:
        whole.attach(part)
    return whole


def forwarded(inner: Message, subject: str) -> Message:
    inner["Subject"] = subject
    return MIMEMessage(inner)


LEAVES = st.one_of(
    st.builds(text, LINES, st.sampled_from(["plain", "html", "x-y"])),
    st.builds(attachment, st.binary(max_size=200), WORDS.filter(lambda name: "'" not in name and bool(name.strip()))),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(multipart, SUBTYPES, BOUNDARIES, st.lists(inner, min_size=1, max_size=4)),
        st.builds(forwarded, inner, st.sampled_from(["one", "two"])),
    ),
    max_leaves=8,
)


def theirs(message: Message) -> object:
    children = message.get_payload() if message.is_multipart() else []
    assert isinstance(children, list)
    return message.get_content_type(), [theirs(child) for child in children if isinstance(child, Message)]


def ours(part: Part) -> object:
    return f"{part.type}/{part.subtype}", [ours(child) for child in part.children]


def leaves(content: bytes, part: Part) -> list[bytes]:
    """The decoded bodies of all leaves, in order."""
    if part.children:
        return [body for child in part.children for body in leaves(content, child)]
    return [sections.decoded(content, part)]


def unambiguous(content: bytes) -> bool:
    """Whether no multipart uses a boundary that one around it uses too, where readers may differ."""

    def visit(part: Part, around: frozenset[str]) -> bool:
        own = parameter(part.params, "boundary") if part.type == "multipart" else ""
        clash = any(own in (each, each + "--") or each == own + "--" for each in around) if own else False
        return not clash and all(visit(child, around | {own} if own else around) for child in part.children)

    return visit(index(content), frozenset())


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_structure_and_decoded_bodies_are_those_of_the_standard_library(tree: Message) -> None:
    content = tree.as_bytes(policy=email.policy.SMTP)
    if not unambiguous(content):
        return
    read = email.message_from_bytes(content)
    root = index(content)
    assert ours(root) == theirs(read)
    expected = [part.get_payload(decode=True) for part in read.walk() if not part.is_multipart()]
    assert leaves(content, root) == expected


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_names_of_attachments_are_those_of_the_standard_library(tree: Message) -> None:
    content = tree.as_bytes(policy=email.policy.SMTP)
    part = index(content)
    if not part.children:
        assert sections.filename(part) == (email.message_from_bytes(content).get_filename() or "")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["Subject", "X-One", "To", "Date"]), WORDS), max_size=8))
def test_fields_are_those_of_the_standard_library(pairs: list[tuple[str, str]]) -> None:
    content = "".join(f"{name}: {value}\r\n" for name, value in pairs).encode() + b"\r\nbody"
    fields = summarise(content).root.headers
    read = email.message_from_bytes(content)
    assert [field.name for field in fields] == [name.lower() for name in read]
    assert [content[field.value_start : field.end].decode().strip() for field in fields] == [v.strip() for _, v in pairs]
