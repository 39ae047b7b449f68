"""Octets in a declared charset to text, for strangers' labels.

Python's codec registry imports modules by name and knows codecs that are slow or are no charsets at all (``punycode``,
``idna``, ``unicode_escape``), so only labels of a fixed set reach it. Nothing here ever raises for bad input: what cannot be
decoded becomes U+FFFD. Stands below every module that shows text of a message. Source: RFC 2046 §4.1.2, RFC 2978.
"""

from __future__ import annotations

_PLAIN = (
    "utf-8 utf-16 utf-16le utf-16be utf-32 utf-7 iso-8859-1 iso-8859-2 iso-8859-3 iso-8859-4 iso-8859-5 iso-8859-6 "
    "iso-8859-7 iso-8859-8 iso-8859-9 iso-8859-10 iso-8859-11 iso-8859-13 iso-8859-14 iso-8859-15 iso-8859-16 koi8-r koi8-u "
    "big5 big5-hkscs euc-jp euc-kr gb2312 gbk gb18030 hz-gb-2312 iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 "
    "iso-2022-kr shift_jis tis-620 cp437 cp850 cp852 cp855 cp857 cp858 cp862 cp864 cp866 cp874 cp932 cp936 cp949 cp950 "
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 mac-roman mac-cyrillic johab"
)
_GUESS = ""
_CODECS: dict[str, str] = {
    **{label: label for label in _PLAIN.split()},
    **{f"windows-{page}": f"cp{page}" for page in (874, *range(1250, 1259))},
    **{f"ibm{page}": f"cp{page}" for page in (437, 850, 852, 855, 857, 858, 862, 864, 866)},
    # Labels that say nothing about octets outside ASCII: a guess is better.
    "us-ascii": _GUESS,
    "ascii": _GUESS,
    "unknown-8bit": _GUESS,
    "utf8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    # What writers of these labels really send: the Windows supersets.
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc-jp",
    "macintosh": "mac-roman",
}
_MAX_LABEL = 40


def text_of(octets: bytes) -> str:
    """Undeclared octets as text: UTF-8 if they are, else Windows-1252. Always text that can be encoded again."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def decode(octets: bytes, charset: str) -> str:
    """``octets`` in ``charset`` (any case; "" or unknown: guessed as ``text_of`` does), wrong sequences as U+FFFD."""
    codec = _CODECS.get(charset.lower(), _GUESS) if len(charset) <= _MAX_LABEL else _GUESS
    if not codec:
        return text_of(octets)
    try:
        return octets.decode(codec, "replace")
    except UnicodeError:  # A stateful codec may refuse even so, utf-16 without its mark for example.
        return text_of(octets)
