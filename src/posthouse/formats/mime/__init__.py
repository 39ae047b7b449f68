"""MIME: ``summarise`` for acceptance, ``index`` and ``sections`` for what is asked of a stored message."""

from posthouse.formats.mime.limits import Limits as Limits
from posthouse.formats.mime.summary import summarise as summarise
from posthouse.formats.mime.tree import index as index

__all__ = ["Limits", "index", "summarise"]
