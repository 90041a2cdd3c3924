"""What a run will take is foreseen before anything is compiled; what does not fit is refused."""

from pathlib import Path

import pytest

from mastac import UserError, memory
from mastac.cli.main import main
from mastac.runs import sizes
from mastac.runs.planning import prepared
from mastac.runs.sizes import Part, Sizes, foreseen

SMALL = {"epochs": 20, "batch_size": 16, "actor_hidden": [3], "critic_hidden": [5]}


def test_exact_parts_are_those_counted_by_hand() -> None:
    plan = prepared("lq-3", algorithm="independent", buffer_size=60, **SMALL)
    env = plan.env
    parts = {part.name: part for part in foreseen(plan).parts}
    agents, state, obs, action = (
        3,
        *(int(sizes.max()) for sizes in (env.state_sizes, env.obs_sizes, env.action_sizes)),
    )
    actors = agents * (2 * obs + obs * 3 + 3 + 3 * action + action)  # center and scale of inputs
    # A critic reads rows of states and actions, and the time.
    critics = sum(
        len(bucket.terms)
        * ((bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + 1) * 5 + 5 + 5 + 1)
        for bucket in plan.spec.buckets
    )
    assert parts["actors"].bytes == 4 * actors
    assert parts["critics"].bytes == 4 * critics
    assert parts["target networks"].bytes == parts["actors"].bytes + parts["critics"].bytes
    assert parts["optimizers"].bytes == pytest.approx(8 * (actors + critics), rel=0.05)
    steps, episodes = env.horizon, 60 // env.horizon
    episode = (steps + 1) * agents * state + steps * agents * (action + 1)
    assert parts["episodes kept"].bytes == 4 * episodes * episode


@pytest.mark.parametrize(
    ("largest", "knob"),
    [
        ({"batch_size": 10**9, "epochs": 10**9}, "batch_size"),
        ({"critic_hidden": [10**6, 10**6]}, "critic_hidden"),
        ({"buffer_size": 10**12, "epochs": 10**8}, "buffer_size"),
        ({"evaluation_episodes": 10**9}, "evaluation_episodes"),
        ({"epochs": 10**9, "buffer_size": 100}, "epochs"),
        ({"seeds": range(10_000), "epochs": 5000}, "train fewer seeds at once"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_the_knob_to_turn(monkeypatch, largest, knob) -> None:
    monkeypatch.setattr(sizes, "free_memory", lambda: 2 * 10**9)
    with pytest.raises(UserError, match=rf"2 GB are free .*; lower .*{knob}"):
        foreseen(prepared("lq-3", **SMALL | {"buffer_size": 10**5} | largest)).check()


def test_between_half_and_all_is_a_warning() -> None:
    parts = [Part("actors", 2e6, True, "actor_hidden"), Part("episodes kept", 1e6, True, "x")]

    def check(free: int | None) -> str | None:
        return Sizes(parts, 2, 1e6, free, 10**9, "memory of the machine").check()

    assert check(12_000_001) is None
    assert check(None) is None
    warning = check(11_000_000)
    assert warning is not None and "actors (4 MB); lower actor_hidden" in warning
    with pytest.raises(UserError, match=r"6 MB of memory, and 5 MB .*\(1 fit\)"):
        check(5_000_000)
    with pytest.raises(UserError, match="free on the disk"):
        Sizes(parts, 2, 2e9, None, 10**9, "").check()


def test_a_dry_run_prints_the_table_and_writes_nothing(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "lq-3", "--epochs", "20", "--set", "batch_size=16", "--dry-run"]
    assert main(words) == 0
    out = capsys.readouterr().out
    for part in ("actors", "critics", "optimizers", "episodes kept", "an update", "memory", "disk"):
        assert f"\n{part} " in out
    assert list(tmp_path.iterdir()) == []


def test_a_control_group_may_have_less_than_its_machine(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "self")
    monkeypatch.setattr(memory, "MEMORY", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\n")
    (tmp_path / "self").write_text("0::/pod/job\n")
    job = tmp_path / "pod" / "job"
    job.mkdir(parents=True)
    assert memory.free_memory() == 5_000_000 * 1024
    (job / "memory.max").write_text("max\n")
    (job.parent / "memory.max").write_text("3000000\n")
    (job.parent / "memory.current").write_text("2500000\n")
    (job.parent / "memory.stat").write_text("anon 1\ninactive_file 400000\n")
    assert memory.free_memory() == 3_000_000 - 2_500_000 + 400_000
    assert memory.total_memory() == 3_000_000
