"""Settings of the group ``archives``: how far attachments are opened (CON-14)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class ArchivesSettings:
    """How far attached archives are opened; past these bounds they count as bombs, for which see `antivirus.bombs` (CON-14)."""

    max_depth: int = setting(10, "Archives in archives.", at_least=1, at_most=50)
    max_unpacked_bytes: int = setting(
        512 << 20, "What one attachment may unpack to, all levels together.", unit="bytes", at_least=1 << 20, at_most=64 << 30
    )
    max_ratio: int = setting(250, "Unpacked to packed size, once more than 16 MiB are unpacked.", at_least=10, at_most=100_000)
    max_members: int = setting(
        10_000, "Members that are looked at; more make no bomb, but the rest is not seen.", at_least=10, at_most=100_000
    )
    max_time_s: float = setting(
        5.0, "Longest time for one attachment; the rest is not seen.", unit="s", at_least=0.1, at_most=60
    )
