"""The former name of ``spam_lessons.SpamLessons``."""

from posthouse.interfaces.spam_lessons import SpamLessons as TokenCountsWriter

__all__ = ["TokenCountsWriter"]
