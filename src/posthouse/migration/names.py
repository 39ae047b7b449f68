"""Names of folders that come from elsewhere: which is Sent or Trash in whatever language, and what is allowed here (STO-1)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from posthouse.model.mailbox import INBOX, SEPARATOR, SpecialUse

_USES: dict[SpecialUse, tuple[str, ...]] = {
    "\\Sent": (
        "sent", "sent items", "sent messages", "sent mail", "sent-mail", "sent e-mail", "gesendet", "gesendete objekte",
        "gesendete elemente", "gesendete nachrichten", "envoyés", "éléments envoyés", "messages envoyés", "enviados",
        "elementos enviados", "posta inviata", "inviata", "verzonden items", "verzonden", "skickat", "sendt post",
        "отправленные",
        "wysłane", "elementy wysłane", "已发送", "送信済み",
    ),
    "\\Drafts": (
        "drafts", "draft", "entwürfe", "entwurf", "brouillons", "brouillon", "borradores", "rascunhos", "bozze", "concepten",
        "utkast", "kladder", "черновики", "kopie robocze", "wersje robocze", "草稿", "下書き",
    ),
    "\\Trash": (
        "trash", "deleted items", "deleted messages", "deleted", "wastebasket", "bin", "papierkorb", "gelöschte objekte",
        "gelöschte elemente", "gelöscht", "corbeille", "éléments supprimés", "papelera", "elementos eliminados", "lixeira",
        "cestino", "posta eliminata", "prullenbak", "verwijderde items", "papperskorgen", "slettet post",
        "корзина", "удаленные",
        "kosz", "elementy usunięte", "已删除", "ゴミ箱",
    ),
    "\\Junk": (
        "junk", "junk mail", "junk e-mail", "junk email", "spam", "bulk", "bulk mail", "spamverdacht", "unerwünscht",
        "unerwünschte werbung", "courrier indésirable", "indésirables", "pourriel", "correo no deseado", "lixo eletrônico",
        "posta indesiderata", "ongewenste e-mail", "skräppost", "спам", "niechciane", "垃圾邮件", "迷惑メール",
    ),
    "\\Archive": ("archive", "archives", "archiv", "archivo", "arquivo", "archivio", "archief", "arkiv", "архив", "archiwum"),
}  # fmt: skip
_BY_NAME = {name: use for use, names in _USES.items() for name in names}
_NOT_ALLOWED = frozenset("*%")
MAX_LEVEL = 200


def use_by_name(levels: Sequence[str]) -> SpecialUse:
    """What a top folder's name says that it is for; "" if nothing. Gmail's folders below ``[Gmail]`` count as top ones."""
    rest = levels[1:] if len(levels) == 2 and levels[0].lower() in ("[gmail]", "[google mail]") else levels
    return _BY_NAME.get(unicodedata.normalize("NFC", rest[0]).strip().lower(), "") if len(rest) == 1 else ""


def allowed_name(levels: Sequence[str], max_depth: int) -> str:
    """A mailbox name from levels: what is not allowed in it becomes ``_``; levels that are too many are joined by ``_``."""
    clean = [_allowed_level(level) for level in levels] or [INBOX]
    if len(clean) > max_depth:
        clean = [*clean[: max_depth - 1], "_".join(clean[max_depth - 1 :])[:MAX_LEVEL]]
    return SEPARATOR.join(clean)


def _allowed_level(level: str) -> str:
    text = unicodedata.normalize("NFC", level)
    out = "".join("_" if char == SEPARATOR or char in _NOT_ALLOWED or _is_odd(char) else char for char in text)
    return out[:MAX_LEVEL] or "_"


def _is_odd(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
