"""Stage ``greylist``: ask strangers to come back (GRY). In its place on the path; it has no rule yet and passes everything."""

from __future__ import annotations

from posthouse.pipeline.stage import Stage


class Greylist(Stage):
    name = "greylist"
