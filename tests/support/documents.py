"""Small real documents, written by hand: PDF, Office Open XML, OpenDocument, RTF; and letters that carry them."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from xml.sax.saxutils import escape

OOXML = "application/vnd.openxmlformats-officedocument."
DOCX, XLSX, PPTX = (
    OOXML + name for name in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation")
)
ODT, ODS = "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.spreadsheet"
PDF = "application/pdf"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_O = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table", "style")
)


def archive(members: dict[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, text in members.items():
            made.writestr(name, text)
    return out.getvalue()


def docx(*paragraphs: str, header: str = "", title: str = "", runs_of: int = 0) -> bytes:
    """``runs_of``: each paragraph is cut into runs of so many characters, as Word does."""

    def runs(text: str) -> str:
        size = runs_of or max(len(text), 1)
        return "".join(f"<w:r><w:t>{escape(text[at : at + size])}</w:t></w:r>" for at in range(0, len(text), size))

    body = "".join(f"<w:p>{runs(text)}</w:p>" for text in paragraphs)
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": f"<?xml version='1.0'?><w:document {_W}><w:body>{body}</w:body></w:document>",
    }
    if header:
        members["word/header1.xml"] = f"<w:hdr {_W}><w:p><w:r><w:t>{escape(header)}</w:t></w:r></w:p></w:hdr>"
    if title:
        dc = "http://purl.org/dc/elements/1.1/"
        members["docProps/core.xml"] = f"<c:cp xmlns:c='x' xmlns:dc='{dc}'><dc:title>{escape(title)}</dc:title></c:cp>"
    return archive(members)


def xlsx(*cells: str | int, sheet: str = "Sheet1") -> bytes:
    """Texts as shared strings, numbers in place."""
    strings = [cell for cell in cells if isinstance(cell, str)]
    shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    row = "".join(
        f'<c t="s"><v>{strings.index(cell)}</v></c>' if isinstance(cell, str) else f"<c><v>{cell}</v></c>" for cell in cells
    )
    return archive(
        {
            "xl/workbook.xml": f"<workbook {_S}><sheets><sheet name='{escape(sheet)}'/></sheets></workbook>",
            "xl/sharedStrings.xml": f"<sst {_S}>{shared}</sst>",
            "xl/worksheets/sheet1.xml": f"<worksheet {_S}><sheetData><row>{row}</row></sheetData></worksheet>",
        }
    )


def pptx(*slides: str, notes: str = "") -> bytes:
    members: dict[str, str | bytes] = {
        f"ppt/slides/slide{number}.xml": f"<p:sld xmlns:p='p' {_A}><a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></p:sld>"
        for number, text in enumerate(slides, 1)
    }
    if notes:
        members["ppt/notesSlides/notesSlide1.xml"] = (
            f"<p:notes xmlns:p='p' {_A}><a:p><a:t>{escape(notes)}</a:t></a:p></p:notes>"
        )
    return archive(members)


def odt(*paragraphs: str, footer: str = "") -> bytes:
    body = "".join(f"<text:p>{escape(text)}</text:p>" for text in paragraphs)
    content = (
        f"<office:document-content {_O}><office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    members: dict[str, str | bytes] = {"mimetype": ODT, "content.xml": content}
    if footer:
        page = f"<style:master-page><style:footer><text:p>{escape(footer)}</text:p></style:footer></style:master-page>"
        styles = f"<office:master-styles>{page}</office:master-styles>"
        members["styles.xml"] = f"<office:document-styles {_O}>{styles}</office:document-styles>"
    return archive(members)


def ods(*cells: str) -> bytes:
    row = "".join(f"<table:table-cell><text:p>{escape(text)}</text:p></table:table-cell>" for text in cells)
    table = f"<table:table><table:table-row>{row}</table:table-row></table:table>"
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    return archive({"content.xml": f"<office:document-content {_O}>{body}</office:document-content>"})


def rtf(text: str) -> bytes:
    coded = "".join(char if char.isascii() and char not in "\\{}" else f"\\u{_signed(ord(char))}?" for char in text)
    font = r"{\fonttbl{\f0\fswiss Secretfont;}}"
    return f"{{\\rtf1\\ansi\\ansicpg1252\\uc1{font}{{\\*\\generator Hidden;}}\\pard {coded}\\par}}".encode("ascii")


def _signed(code: int) -> int:
    return code - 0x10000 if code > 0x7FFF else code


def pdf(*pages: str, title: str = "", filters: int = 1) -> bytes:
    """Pages of one line each, ASCII; ``filters``: how many times each page is deflated."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids.encode(), len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, text in enumerate(pages):
        drawn = (
            b"BT /F1 12 Tf 72 720 Td ("
            + text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode()
            + b") Tj ET"
        )
        for _ in range(filters):
            drawn = zlib.compress(drawn)
        names = b" ".join([b"/FlateDecode"] * filters)
        page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R" % (5 + 2 * number)
        objects += [
            page + b" /Resources << /Font << /F1 3 0 R >> >> >>",
            b"<< /Length %d /Filter [%b] >>\nstream\n%b\nendstream" % (len(drawn), names, drawn),
        ]
    info = b""
    if title:
        objects.append(b"<< /Title (%b) >>" % title.encode())
        info = b" /Info %d 0 R" % len(objects)
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, octets in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, octets)
    table_at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R%b >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, info, table_at)
    return bytes(out)


def looping_pdf() -> bytes:
    """A page tree whose node is its own child, as fuzzers make them."""
    return pdf("x").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]")


def zip_bomb(size_bytes: int = 200 << 20) -> bytes:
    """A docx of some hundred KiB whose text unpacks to ``size_bytes``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made, made.open("word/document.xml", "w") as member:
        member.write(f"<w:document {_W}>".encode())
        for _ in range(size_bytes >> 20):
            member.write(b" " * (1 << 20))
        member.write(b"</w:document>")
    return out.getvalue()


def letter(*parts: tuple[str, str, bytes], subject: str = "papers", body: str = "See the attached.") -> bytes:
    """A multipart/mixed message; ``parts`` are (content type, file name, octets)."""
    pieces = [f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n".encode()]
    for content_type, name, octets in parts:
        head = f"--b\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n"
        head += f'Content-Disposition: attachment; filename="{name}"\r\n\r\n' if name else "\r\n"
        pieces.append(head.encode() + base64.encodebytes(octets).replace(b"\n", b"\r\n"))
    top = f"From: Ann <ann@a.example>\r\nTo: jane@example.test\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
    top += 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return top.encode() + b"".join(pieces) + b"--b--\r\n"
