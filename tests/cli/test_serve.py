"""Controllers as processes: they play as the product does, and go on after any line."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from begun_runs import begun_run

import mastac
from mastac.cli.main import main
from mastac.controllers.controller import Controller
from mastac.controllers.serving import LONGEST_LINE
from mastac.runs.evaluation import greedy_actions

TINY: dict[str, Any] = {"actor_hidden": [4], "critic_hidden": [4], "progress": False}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "mastac", "serve", *map(str, words)]


@contextmanager
def process(words: list[str]) -> Iterator[subprocess.Popen]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    # A shell that starts tests in the background has Ctrl-C ignored by all that they start.
    interruptible = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(words, **pipes, preexec_fn=interruptible) as started:
        try:
            yield started
        finally:
            started.kill()


def ask(server: subprocess.Popen, line: str) -> Any:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(line.encode() + b"\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


def played(env: mastac.Environment, act: Callable[..., Any]) -> list[np.ndarray]:
    """States and actions of one episode; `act` takes padded observations."""
    step, observe = jax.jit(env.step), jax.jit(env.observed)
    keys = jax.random.split(jax.random.key(3), env.horizon + 1)
    state, seen = env.reset(keys[0]), []
    for time_step, key in enumerate(keys[1:]):
        actions = np.asarray(act(observe(state, time_step)), np.float32)
        seen += [np.asarray(state), actions]
        state = step(state, actions, time_step, key)
    return seen


@pytest.mark.parametrize(
    ("name", "options", "choices"),
    [
        (
            "thermal-4",
            {"coolers": "every-2", "limit_kw": 30.0, "horizon": 6},
            {"kappa": 1, "batch_size": 8, "updates_per_epoch": 1},
        ),
        (
            "computers-3",
            {"horizon": 6},
            {"algorithm": "mastac-ppo", "rollout_steps": 6, "batch_size": 6},
        ),
    ],
    ids=["continuous", "choices of an on-policy learner"],
)
def test_a_rollout_through_processes_is_that_inside(name, options, choices, tmp_path):
    """Every agent of its own process sees its own observation alone."""
    env = mastac.make(name, **options)
    run = mastac.train(env, epochs=2, seeds=[0, 4], out=tmp_path / "run", **TINY, **choices)
    inside = played(env, lambda seen: greedy_actions(env, run.policy(4))(seen, None, 0))
    width = int(env.action_sizes.max())
    with ExitStack() as stack:
        servers = {
            i: stack.enter_context(process(command(run.path, "--agent", agent, "--seed", 4)))
            for i, agent in enumerate(env.agents)
            if env.action_sizes[i]
        }

        def act(seen: jax.Array) -> np.ndarray:
            actions = np.zeros((env.num_agents, width))
            for i, server in servers.items():
                own = np.asarray(seen)[i, : env.obs_sizes[i]].tolist()
                actions[i, : env.action_sizes[i]] = ask(server, json.dumps(own))
            return actions

        outside = played(env, act)
    assert len(outside) == 2 * env.horizon
    for one, other in zip(inside, outside, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6 * abs(one).max())


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> mastac.Run:
    options = {"coolers": "every-2", "limit_kw": 30.0, "horizon": 6}
    return begun_run(tmp_path_factory.mktemp("runs") / "house", **options)


@pytest.mark.parametrize("form", ["numpy", "onnx"])
def test_an_exported_folder_is_served_without_jax(form, run, tmp_path, capsys):
    out = str(tmp_path / "out")
    words = ["export", str(run.path), "--out", out, "--format", form]
    assert main([*words, "--hold-steps", "1", "--default", "21.5"]) == 0
    printed = capsys.readouterr().out
    assert f"zone-2.{'npz' if form == 'numpy' else 'onnx'}" in printed
    assert "agent 'zone-3' has no action, and so no file" in printed
    code = f"import sys; from mastac.cli.main import main; main({['serve', out]} + sys.argv[1:])"
    code += "; sys.exit(99 * bool({'jax', 'networkx', 'scipy'} & set(sys.modules)))"
    policy = run.policy()

    def expected(first: float, second: float) -> Any:
        sizes = zip(policy.agents, policy.obs_sizes.tolist(), strict=True)
        rows = {agent: [0.0] * size for agent, size in sizes}
        return pytest.approx(policy.act(rows | {"zone-2": [first, second]})["zone-2"], rel=1e-5)

    with process([sys.executable, "-c", code, "--agent", "zone-2"]) as server:
        assert ask(server, "[20, null]") == expected(20, 21.5)
        assert ask(server, "[20.5, 23]") == expected(20.5, 23)
        assert ask(server, "[null, 24]") == expected(20.5, 24)
        assert ask(server, "[null, 25]") == expected(21.5, 25)
        out, err = server.communicate(timeout=60)
        assert (out, err, server.returncode) == (b"", b"", 0)


WRONG = {
    "": "Expecting value",
    "[1, 2": "Expecting",
    "{}": "give a JSON list of 2 numbers",
    "7": "give a JSON list of 2 numbers",
    "[1]": "give a list of 2 numbers, got 1",
    "[1, 2, 3]": "give a list of 2 numbers, got 3",
    "[1, NaN]": "input 'zone-4.state' must be a finite number or null, got nan",
    "[1, 1e999]": "must be a finite number",
    "[1, 1e39]": "must be a finite number",
    '[1, "2"]': "must be a finite number",
    "[1, true]": "must be a finite number",
    "[1, [2]]": "must be a finite number",
    "[" * 100_000: "recursion",
    "[1, " + "9" * 10_000 + "]": "",
    "\xff": "",
    "[" + "1," * (LONGEST_LINE // 2) + "1]": "Expecting value",
}


def test_a_wrong_line_is_answered_and_the_next_is_welcome(run):
    with process(command(run.path, "--agent", "zone-2")) as server:
        right = ask(server, "[22, 23]")
        assert len(right) == 1
        for line, message in WRONG.items():
            answer = ask(server, line)
            assert list(answer) == ["error"] and message in answer["error"], line[:20]
        assert ask(server, "[null, null]") == right, "what was refused is not held"


def test_the_lines_of_the_reader_alone(run, tmp_path):
    """`python controller.py FILE` in the exported folder, without mastac."""
    run.export(tmp_path / "out")
    words = [sys.executable, "-I", str(tmp_path / "out" / "controller.py")]
    with process([*words, str(tmp_path / "out" / "zone-2.npz")]) as server:
        inside = Controller.load(tmp_path / "out" / "zone-2.npz")
        assert ask(server, "[22, null]") == inside.act([22, None]).tolist()
        assert "error" in ask(server, "[22]")


@pytest.mark.parametrize("kind", ["port", "socket"])
def test_sockets_hold_the_values_of_each_connection(kind, run, tmp_path):
    path = tmp_path / "s"
    place = ["--port", "0"] if kind == "port" else ["--socket", str(path)]
    with process(command(run.path, "--agent", "zone-2", *place)) as server, ExitStack() as stack:
        assert server.stderr is not None
        said = server.stderr.readline().decode().removeprefix("listening on ").strip()
        streams = []
        for _ in range(2):
            if kind == "port":
                link = socket.create_connection((said.split(":")[0], int(said.split(":")[1])))
            else:
                link = socket.socket(socket.AF_UNIX)
                link.connect(said)
            stack.enter_context(link)
            streams.append(stack.enter_context(link.makefile("rw")))

        def asked(stream: Any, line: str) -> Any:
            stream.write(line + "\n")
            stream.flush()
            return json.loads(stream.readline())

        one = asked(streams[0], "[20, 21]")
        other = asked(streams[1], "[null, null]")
        assert asked(streams[0], "[null, null]") == one != other
        if kind == "socket":
            again = subprocess.run(
                command(run.path, "--agent", "zone-2", *place), capture_output=True, text=True
            )
            assert again.returncode == 2 and "exists already" in again.stderr
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
        assert (out, err, server.returncode) == (b"", b"", 0)
    assert not path.exists()


def test_a_socket_that_was_left_behind_is_taken_over(run, tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    words = command(run.path, "--agent", "zone-2", "--socket", path)
    with process(words) as server:
        assert server.stderr is not None
        assert server.stderr.readline().decode() == f"listening on {path}\n"
    path.unlink()
    path.write_text("a file")
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2 and path.read_text() == "a file"


def test_ends_are_quiet(run):
    words = command(run.path, "--agent", "zone-2")
    with process(words) as server:
        ask(server, "[22, 23]")
        server.send_signal(signal.SIGINT)
        assert server.communicate(timeout=60) == (b"", b"") and server.returncode == 0
    with process(words) as server:
        assert server.stdin is not None and server.stdout is not None
        ask(server, "[22, 23]")
        server.stdout.close()
        server.stdin.write(b"[22, 23]\n" * 3)
        server.stdin.close()
        assert server.wait(timeout=60) == 0
        assert server.stderr is not None and server.stderr.read() == b""


def test_mistakes(run, tmp_path, capsys):
    out = tmp_path / "out"
    run.export(out)
    folders = {"run": str(run.path), "out": str(out)}
    for folder in folders.values():
        for agent, message in (
            ("zone-3", "agent 'zone-3' has no action"),
            ("zone-7", "unknown agent 'zone-7'"),
        ):
            assert main(["serve", folder, "--agent", agent]) == 2
            assert message in capsys.readouterr().err
    assert main(["serve", str(out), "--agent", "zone-1", "--seed", "0"]) == 2
    assert "go with a run folder" in capsys.readouterr().err
    (out / "zone-1.npz").write_bytes(b"damaged")
    assert main(["serve", str(out), "--agent", "zone-1"]) == 2
    assert "zone-1.npz' is no controller" in capsys.readouterr().err
    (out / "zone-1.npz").unlink()
    assert main(["serve", str(out), "--agent", "zone-1"]) == 2
    assert "zone-1.npz" in capsys.readouterr().err


def test_starts_fast(run, tmp_path):
    run.export(tmp_path / "out")

    def seconds() -> float:
        began = time.perf_counter()
        with process(command(tmp_path / "out", "--agent", "zone-2")) as server:
            ask(server, "[22, 23]")
        return time.perf_counter() - began

    assert min(seconds() for _ in range(3)) < 2.0
