"""Structured logs: one JSON object a line on standard error, or in the file that the node names.

Never a secret, never a message's text. ``event`` is a fixed word; everything else is a named field.
"""

from __future__ import annotations

import logging
import sys
from typing import BinaryIO, cast

import msgspec
import structlog

_encoder = msgspec.json.Encoder(enc_hook=str)


def _dumps(value: object, **_: object) -> bytes:
    return _encoder.encode(value)


def configure(stream: BinaryIO | None = None, level: int = logging.INFO, **fields: object) -> None:
    """Send logs to ``stream`` (default: standard error), with ``fields`` (process, node) on every line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream or cast(BinaryIO, sys.stderr.buffer)),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**fields)


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a room, ``get("smtp")``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(room=name)
    return logger
