"""Agents on several devices learn what they learn on one, and only what the sets say is sent."""

import json
import os
import socket
import subprocess
import sys

import many_parts
import numpy as np
import pytest

import mastac
from mastac.errors import UserError
from mastac.learning.partition import bytes_between_devices
from mastac.learning.partition.supported import check_supported
from mastac.runs.config import configuration_of
from mastac.runs.plan import plan_run
from mastac.runs.repeat import repeat_command
from mastac.runs.results import read_results

# Numbers are summed in another order: networks may differ in their last bits, as a share of how
# far training moved them.
ROUNDING = 2e-5


def in_processes(devices: int, *commands: list[str]) -> list[dict]:
    """What processes print that run beside each other, with so many devices each."""
    flag = f" --xla_force_host_platform_device_count={devices}"
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + flag,
    }
    script = [sys.executable, many_parts.__file__]
    started = [
        subprocess.Popen(
            [*script, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    try:
        ended = [process.communicate(timeout=600) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, error) in zip(started, ended, strict=True):
        assert process.returncode == 0, error[-3000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in ended]


def assert_equal_to_rounding(found: dict[str, float]) -> None:
    for name in ("actors", "critics", "targets", "returns", "norms", "losses", "greedy", "states"):
        assert found[name] < ROUNDING, (name, found)
    assert max(found.get(name, 0.0) for name in ("scales", "kept")) < ROUNDING


@pytest.fixture(scope="module")
def eight() -> dict[str, dict]:
    """All cases on eight virtual devices."""
    return in_processes(8, list(many_parts.CASES))[0]


@pytest.mark.slow
@pytest.mark.parametrize("case", many_parts.CASES)
def test_eight_devices_learn_what_one_learns(eight: dict[str, dict], case: str) -> None:
    assert_equal_to_rounding(eight[case])
    assert {"scales", "kept"} <= eight["unequal"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("case", many_parts.CASES)
def test_the_compiled_update_sends_what_the_sets_say(eight: dict[str, dict], case: str) -> None:
    found = eight[case]
    expected = found["bytes_of_sets"]
    assert found["bytes"] == ({"collective-permute": expected} if expected else {})
    assert (expected > 0) == (case != "independent")


@pytest.mark.slow
@pytest.mark.parametrize("case", many_parts.CASES)
def test_whole_states_come_back(eight: dict[str, dict], case: str) -> None:
    assert eight[case]["lost_on_the_way"] == 0.0


@pytest.mark.slow
def test_four_processes_learn_what_one_learns() -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    for found in in_processes(1, *(["--process", str(place), port, "exact"] for place in range(4))):
        assert_equal_to_rounding(found["exact"])


@pytest.mark.slow
def test_runs_in_parts_are_runs_like_others(tmp_path) -> None:
    in_processes(8, ["--runs", str(tmp_path)])
    runs = {name: tmp_path / name for name in ("whole", "cut", "one")}
    for greedy in (False, True):
        (_, whole), (_, cut), (_, one) = (read_results(run).curve(greedy) for run in runs.values())
        np.testing.assert_allclose(whole, one, rtol=1e-4)
        np.testing.assert_array_equal(whole, cut)
    weights = {name: mastac.load(run).policy(1).weights for name, run in runs.items()}
    for whole, cut, one in zip(*weights.values(), strict=True):
        np.testing.assert_allclose(whole, one, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(whole, cut)
    assert mastac.load(runs["whole"]).config.partition == 4
    assert "--partition 4" in repeat_command(read_results(runs["whole"]))


def spec_of(env, **choices):
    """What is learnt, checked as for several devices."""
    spec = plan_run(env, configuration_of(env, epochs=500, **choices)).spec
    check_supported(spec)
    return spec


@pytest.mark.parametrize(
    ("choices", "why"),
    [
        ({"algorithm": "maddpg"}, "predict their own agent's reward"),
        ({"algorithm": "facmac"}, "that all step at once from a replay"),
        ({"algorithm": "mastac-coordinated"}, "choose algorithm mastac, khop or independent"),
        ({"algorithm": "mastac-sac"}, "deterministic actors"),
        ({"algorithm": "independent", "rewards": "team"}, "set rewards=own"),
        ({"share_actors": True}, "set share_actors=false"),
        ({"share_critics": True}, "share_critics=false"),
    ],
)
def test_what_cannot_be_spread_is_refused_in_a_sentence(choices, why) -> None:
    with pytest.raises(UserError, match=why):
        spec_of(mastac.make("lq-3"), **choices)


def test_environments_that_cannot_be_spread_are_refused() -> None:
    with pytest.raises(UserError, match=r"change with the time.*give their union"):
        spec_of(mastac.make("doors-9"))
    with pytest.raises(UserError, match="partition must be a whole number, from 1 to 3; got 4"):
        plan_run(mastac.make("lq-3"), configuration_of(mastac.make("lq-3"), partition=4))
    with pytest.raises(UserError, match=r"needs 2 devices, and JAX sees 1.*XLA_FLAGS"):
        plan_run(mastac.make("lq-3"), configuration_of(mastac.make("lq-3"), partition=2))


PROGRAM = """
  %p.1 = f32[3,16]{1,0} collective-permute(%a), source_target_pairs={{0,1},{1,2},{2,2}}
  %p.2 = (f32[2]{0}, f32[2]{0}) collective-permute-start(%a), source_target_pairs={{0,1}}
  %p.3 = f32[2]{0} collective-permute-done(%p.2)
  ROOT %g = f32[8,5]{1,0} all-gather(%a), replica_groups={{0,1},{2,3}}, dimensions={0}
  %h = s32[4]{0} all-gather(%a), replica_groups=[2,4]<=[8], dimensions={0}
  %m = s32[] all-reduce(%a), replica_groups={{0,1}}, to_apply=%max
  %fused = f32[9]{0} fusion(%p.1), kind=kLoop, metadata={op_name="all-gather("}
"""


def test_traffic_is_read_from_a_compiled_program() -> None:
    assert bytes_between_devices(PROGRAM) == {
        # Two pairs of devices, not the one that keeps what it has; and one pair.
        "collective-permute": 2 * 3 * 16 * 4 + 2 * 4,
        # Each device sends its half, or its fourth, to the others of its group.
        "all-gather": 4 * (8 * 5 * 4 // 2) + 8 * 3 * 4,
        "all-reduce": 2 * 4,
    }
