"""Dot-stuffing of SMTP's DATA (RFC 5321 §4.5.2) and POP3's multi-line replies (RFC 1939 §3): whole blocks, never by line."""

from __future__ import annotations


def stuff(content: bytes) -> bytes:
    """``content`` with every leading dot doubled and a final CRLF, without the ``.CRLF`` that ends it on the wire."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed if not stuffed or stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def unstuff(content: bytes) -> bytes:
    """``content`` with one leading dot less on every line that has one."""
    plain = content.replace(b"\r\n.", b"\r\n")
    return plain[1:] if plain.startswith(b".") else plain


def has_bare_newline(content: bytes) -> bool:
    """Whether there is a CR without LF or an LF without CR."""
    rest = content.replace(b"\r\n", b"")
    return b"\n" in rest or b"\r" in rest


def with_crlf(content: bytes) -> bytes:
    """``content`` with every bare CR and bare LF made a CRLF."""
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
