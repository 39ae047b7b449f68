"""A second look at the tests that failed, one after the other with nothing beside them; says which passed only then.

Two workers, real engines and floods of mail on a small shared machine: now and then a test fails for want of time alone. Such a
failure stays in the output of the run and is listed here again, since it may be a race of the product. More than ``AT_MOST``
are no accident and are not tried again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

AT_MOST = 5
ROOT = Path(__file__).resolve().parent.parent
LAST_FAILED = ROOT / ".pytest_cache/v/cache/lastfailed"


def main() -> int:
    failed = sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []
    if not 0 < len(failed) <= AT_MOST:
        print(f"{len(failed)} tests failed; none is tried again")
        return 1
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *failed]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code == 0:
        print("FAILED AT FIRST, passed alone (look for a race or a limit that is too tight):", *failed, sep="\n  ")
    return code


if __name__ == "__main__":
    sys.exit(main())
