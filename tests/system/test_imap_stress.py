"""Two clients of different make on one mailbox of a real node, with a model that checks every answer (IMP-1, IMP-2).

POSTHOUSE_STRESS_COMMANDS says how many commands (default: some thousand), POSTHOUSE_STRESS_SEED which. In between come storms
of both clients at once, reconnects by QRESYNC, and the node is restarted, orderly and by SIGKILL, while a client is away.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.node import PASSWORD, running
from support.stress_run import Stress

COMMANDS = int(os.environ.get("POSTHOUSE_STRESS_COMMANDS", "4000"))
SEED = int(os.environ.get("POSTHOUSE_STRESS_SEED", "1"))
STORM_EVERY, STORM = 400, 25
RESTARTS = 4


@pytest.mark.timeout(60 + COMMANDS // 20)
@pytest.mark.spec_part("IMP-1", "IMP-2")
def test_no_answer_differs_from_the_model(tmp_path: Path) -> None:
    with running(tmp_path, services=("imap",)) as node:
        stress = Stress(lambda: node.ports["imap"], "jane@example.test", PASSWORD, SEED)
        next_storm, restarts = STORM_EVERY, 0
        while stress.commands < COMMANDS:
            stress.step()
            if stress.commands > next_storm:
                next_storm += STORM_EVERY
                stress.storm(STORM)
                stress.remember()
            if stress.commands > (restarts + 1) * COMMANDS // (RESTARTS + 1):
                restarts += 1
                stress.close()
                if restarts % 2:
                    node.stop()
                else:
                    node.kill()
                node.start()
                stress.connect()
        stress.close()
        assert stress.commands >= COMMANDS
        assert restarts >= 3
        assert "SERVERBUG" not in node.log() and "unexpectedly" not in node.log()
        print(f"{stress.commands} commands, seed {SEED}")
