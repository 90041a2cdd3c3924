"""Faults by name. `make faults` provokes all, with a hundred kills; here it is a small share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("MASTAC_FAULTS", "0"))
"""How many processes are killed at random moments; 0: two, and only some of the faults."""
SOME = [
    "sigkill_at_random_moments",
    "resume_beside_resume",
    "second_ctrl_c_during_a_save",
    "folder_is_moved_and_another_run_begun",
]
OTHERS = [
    "train_beside_train",
    "readers_beside_a_writer",
    "signals",
    "sighup_under_nohup",
    "ctrl_c_in_compiled_code",
    "ctrl_c_in_a_command_that_saves_nothing",
    "nobody_listens",
    "folder_is_deleted",
    "symbolic_links",
    "disk_is_full",
    "disk_is_read_only",
]
ASKED = [*SOME, *OTHERS] if KILLS else SOME


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What came of each fault: all are provoked by one process, which imports everything once."""
    script = Path(__file__).with_name("faults.py")
    command = [sys.executable, str(script), str(tmp_path_factory.mktemp("faults")), str(KILLS or 2)]
    done = subprocess.run(
        [*command, *([] if KILLS else ASKED)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.faults
@pytest.mark.parametrize("name", ASKED)
def test_a_fault_ends_as_it_should(came: dict[str, str], name: str, record_property) -> None:
    assert came.keys() == set(ASKED)
    if came[name].startswith("skipped"):
        pytest.skip(came[name])
    assert not came[name].startswith("failed"), came[name]
    record_property("came", came[name])
    print(came[name])
