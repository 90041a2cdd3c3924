"""How much of a simulator's speed is left while a learner works: workers against bare stepping.

    python benchmarks/host.py [--ms 1 10] [--kind wait busy] [--workers 2] [--seeds 1] [--updates 4]

Five agents train with `mastac` on a simulator outside JAX whose step takes so many milliseconds: it
waits for them (as for another program, or a machine) or computes for them. The steps of a second
are held against what as many processes reach that step such simulators and do nothing else.
Episodes, acting, the replay and updates are counted; compilation and evaluation are not. There are
so many updates after every episode of 50 steps, of 256 transitions each.

The processor time of a step is told apart: that of the workers, simulator included, and that of
the training process, which acts and learns. Where steps compute, two cores cannot give a larger
share than `bound`, the simulators' part of all processor time. It does not depend on what else the
machine does; `share` does.
"""

import argparse
import functools
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

AGENTS, HORIZON = 5, 50


class Slow:
    """A chain of five agents whose step takes a while."""

    possible_agents = tuple(f"agent-{k}" for k in range(AGENTS))

    def __init__(self, kind: str, seconds: float) -> None:
        self.kind, self.seconds = kind, seconds

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-np.inf, np.inf, (4,), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-1, 1, (2,), np.float32)

    def _seen(self) -> dict[str, np.ndarray]:
        return dict(zip(self.possible_agents, self.state, strict=True))

    def reset(self, seed: int) -> Any:
        self.state = np.random.default_rng(seed).normal(size=(AGENTS, 4)).astype(np.float32)
        return self._seen(), {}

    def step(self, actions: dict[str, np.ndarray]) -> Any:
        if self.kind == "wait":
            time.sleep(self.seconds)
        else:
            until = time.process_time() + self.seconds
            while time.process_time() < until:
                pass
        moved = np.stack([actions[agent] for agent in self.possible_agents])
        self.state[:, :2] = 0.9 * self.state[:, :2] + 0.1 * moved
        rewards = dict(zip(self.possible_agents, -(self.state**2).sum(1), strict=True))
        no = dict.fromkeys(self.possible_agents, False)
        return self._seen(), rewards, no, no, {}


def bare_steps(kind: str, seconds: float, lasting: float) -> tuple[float, float]:
    """Steps of a second, and processor time of one, where nothing but the simulator is at work."""
    world, count = Slow(kind, seconds), 0
    world.reset(0)
    actions = {agent: np.zeros(2, np.float32) for agent in world.possible_agents}
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < lasting:
        world.step(actions)
        count += 1
    return count / (time.perf_counter() - began), (time.process_time() - cpu) / count


def processor_time(player: Any) -> np.ndarray:
    """Seconds that the workers and this process have used so far (Linux)."""
    ticks = 0
    for host in player.hosts:
        fields = Path(f"/proc/{host.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return np.array([ticks / os.sysconf("SC_CLK_TCK"), time.process_time()])


def trained_steps(
    kind: str, seconds: float, lasting: float, args: argparse.Namespace
) -> tuple[float, float, float]:
    """Environment steps of a second while training; processor time of workers and this process."""
    workers, seeds = args.workers, args.seeds
    import jax
    import jax.numpy as jnp

    import mastac
    from mastac.runs import Execution, RunFolder, plan_run, resolve

    chain = [(f"agent-{k}", f"agent-{k + 1}") for k in range(AGENTS - 1)]
    env = mastac.from_pettingzoo(
        functools.partial(Slow, kind, seconds), chain, HORIZON, "observations"
    )
    chunk = max(16, round(lasting * workers / (seconds * HORIZON * seeds)))
    config = resolve(
        env.id,
        {},
        custom=True,
        epochs=10 * chunk,
        seeds=range(seeds),
        unscaled_steps=HORIZON,
        workers=workers,
        updates_per_epoch=args.updates,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        plan = plan_run(env, config)
        run.begin(config.to_dict(), env.couplings, plan.description())
        execution = Execution(run, plan, print)
        execution.start()
        first = plan.schedule.first + 16  # all is compiled, and updates are due
        state, _ = execution.program.advance(execution.state, execution.keys, jnp.asarray(0), first)
        program: Any = execution.program.advance
        player = program.__self__.player
        began, used = time.perf_counter(), processor_time(player)
        jax.block_until_ready(
            execution.program.advance(state, execution.keys, jnp.asarray(first), chunk)
        )
        steps, taken = chunk * seeds * HORIZON, time.perf_counter() - began
        workers, here = (processor_time(player) - used) / steps
        execution.close()
    return steps / taken, workers, here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ms", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--kind", nargs="+", default=["wait", "busy"], choices=["wait", "busy"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--updates", type=int, default=4, help="after every episode")
    parser.add_argument("--lasting", type=float, default=15.0, help="seconds of a measurement")
    args = parser.parse_args()
    from common import write

    rows = []
    for kind in args.kind:
        for ms in args.ms:
            bare = functools.partial(bare_steps, kind, ms / 1000)
            with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
                alone = np.array([*pool.map(bare, [args.lasting / 3] * args.workers)])
            allowed, step = alone[:, 0].sum(), alone[:, 1].mean()
            reached, workers, here = trained_steps(kind, ms / 1000, args.lasting, args)
            bound = step / (workers + here) if kind == "busy" else np.nan
            how = [kind, ms, args.workers, args.seeds, args.updates]
            times = [1000 * seconds for seconds in (step, workers, here)]
            rows.append([*how, allowed, reached, reached / allowed, *times, bound])
            print(
                f"{kind} {ms:g} ms: {reached:.0f} of {allowed:.0f} steps/s; processor ms of a "
                f"step: {times[1]:.3f} in workers, {times[2]:.3f} here",
                flush=True,
            )
    head = ["kind", "step_ms", "workers", "seeds", "updates"]
    head += ["bare_steps_per_s", "trained_steps_per_s", "share"]
    write("host", [*head, "bare_cpu_ms", "workers_cpu_ms", "training_cpu_ms", "bound"], rows)


if __name__ == "__main__":
    main()
