"""Stage ``authenticate``: SPF, DKIM, DMARC, ARC (MAU-1). In its place on the path; it has no rule yet and passes everything."""

from __future__ import annotations

from posthouse.pipeline.stage import Stage


class Authenticate(Stage):
    name = "authenticate"
