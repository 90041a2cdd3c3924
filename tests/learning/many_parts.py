"""Train small worlds on one device and in parts; called by `test_partition.py`.

Prints, as JSON, how far the two are apart, as a share of how far training went.
"""

import json
import sys
from contextlib import suppress
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from small_world import small_environment

import mastac
from mastac.learning.learner import buffer_of, learner_of
from mastac.learning.loop import epochs_from, one_seed
from mastac.learning.partition import (
    agent_mesh,
    bytes_between_devices,
    lowered_update,
    partitioned_program,
    split_over,
)
from mastac.learning.spec import LearnerSpec
from mastac.runs import saving
from mastac.runs.config import configuration_of
from mastac.runs.plan import plan_run
from mastac.structure.halos import numbers_sent
from mastac.structure.partition import partitioned

EPOCHS = 5
SMALL = {
    "actor_hidden": [8],
    "critic_hidden": [8, 8],
    "batch_size": 16,
    "updates_per_epoch": 3,
    "warmup_epochs": 2,
}
FAR = {"others_actions": "replay", "twin_critics": True, "policy_delay": 2, "target_noise": 0.2}
CASES = {
    # Agents on a ring, two on each device.
    "ring": ("lq-16", 8, 1, {"kappa": 1}),
    # A graph without symmetry, devices with unequal numbers of agents, and two axes of the mesh.
    "random": ("lq-16", 3, 4, {"kappa": 1, "n_steps": 2, "distance_decay": 0.5, **FAR}),
    "exact": ("lq-16", 4, 2, {"kappa": None, "saturation_cost": 0.1, "critics_first": 3}),
    # Scales that are measured, agents of unequal sizes, and the best policies kept.
    "unequal": ("small", 3, 1, {"kappa": 1, "keep": "best", "batch_size": 8}),
    "independent": ("lq-16", 2, 1, {"algorithm": "independent", "episode_noise": 0.5}),
}


def spec_of(case: str) -> tuple[LearnerSpec, int, int]:
    """What is learnt, on how many devices, with how many seeds."""
    name, parts, seeds, knobs = CASES[case]
    if name == "small":
        env = small_environment()
        config = configuration_of(env, seeds=range(seeds), epochs=EPOCHS, **SMALL | knobs)
        return plan_run(env, config).spec, parts, seeds
    random = np.random.default_rng(3)
    edges = [[int(i), int(j)] for i, j in random.integers(0, 16, (20, 2)) if i != j]
    topology = {"graph": edges, "state_size": [1, 2] * 8} if case == "random" else {}
    env = mastac.make(name, horizon=6, **topology)
    config = configuration_of(env, seeds=range(seeds), epochs=EPOCHS, **SMALL | knobs)
    return plan_run(env, config).spec, parts, seeds


def apart(spec: LearnerSpec, parts: int, seeds: int) -> dict[str, float]:
    """How far networks, returns and the replay end up from those of one device."""
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    split = split_over(spec, partitioned(spec.layout, parts))
    many = partitioned_program(split, agent_mesh(parts, seeds), EPOCHS)
    begun = many.init(keys)
    first = jax.device_get(many.whole(begun))
    state, rows = many.advance(begun, keys, jnp.asarray(0), EPOCHS)
    ours = jax.device_get((many.whole(state), rows))
    played = many.evaluate(state, jax.random.key(5), 3).returns
    found = {}
    if jax.process_count() == 1:
        again = many.whole(many.parted(many.whole(state)))
        same = jax.tree.map(lambda one, other: (one == other).all(), again, ours[0])
        found["lost_on_the_way"] = float(not all(jax.tree.leaves(jax.device_get(same))))
        lowered, _ = lowered_update(split, agent_mesh(parts, seeds), seeds)
        text = lowered.compile().as_text()
        env = spec.env
        sets = numbers_sent(split.halos, env.state_sizes, env.action_sizes)
        found["bytes"] = bytes_between_devices(text)
        found["bytes_of_sets"] = 4 * sets.sample * spec.settings.batch_size * seeds
    theirs, other_rows, returns = on_one_device(spec, keys)
    pairs = {
        "actors": (ours[0].learner.actors, theirs.learner.actors, first.learner.actors),
        "critics": (ours[0].learner.critics, theirs.learner.critics, first.learner.critics),
        "targets": (
            ours[0].learner.target_critics,
            theirs.learner.target_critics,
            first.learner.critics,
        ),
        "returns": (ours[1].episode_return, other_rows.episode_return, None),
        "norms": (ours[1].agent_gradient_norm, other_rows.agent_gradient_norm, None),
        "losses": (ours[1].critic_loss, other_rows.critic_loss, None),
        "greedy": (jax.device_get(played), returns, None),
        "scales": (ours[0].learner.scales, theirs.learner.scales, None),
        "kept": (ours[0].kept, theirs.kept, None),
        "states": (ours[0].store.states, theirs.store.states, None),
    }
    # Not all of them are there in all cases.
    there = {name: three for name, three in pairs.items() if jax.tree.leaves(three[0])}
    return found | {name: distance(*three) for name, three in there.items()}


def on_one_device(spec: LearnerSpec, keys):
    """The state, rows and greedy returns of the loop that knows no mesh."""
    settings, env = spec.settings, spec.env
    buffer = buffer_of(env, settings, EPOCHS)
    seed = one_seed(env, learner_of(spec), buffer, settings, EPOCHS)

    @jax.jit
    def trained(keys, episode_keys):
        begun = jax.vmap(seed.init)(keys)
        state, rows = epochs_from(seed, begun, keys, jnp.arange(EPOCHS))
        played = jax.vmap(seed.play, in_axes=(0, None))(state.learner, episode_keys)
        return state, rows, played.returns

    return jax.device_get(trained(keys, jax.random.split(jax.random.key(5), 3)))


def distance(ours, theirs, first) -> float:
    """Between two trees, over that of the second from where it began."""

    def flat(tree) -> np.ndarray:
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(jax.device_get(tree))])

    ours, theirs = flat(ours), flat(theirs)
    assert (np.isfinite(ours) == np.isfinite(theirs)).all()
    ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
    start = 0.0 if first is None else flat(first)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs - start))


class PowerCut(Exception):
    """What ends a run half-way."""


def runs(out: Path) -> None:
    """A run in parts, one that is cut off and resumed, and one on one device, as folders."""
    saving.SECONDS_BETWEEN, saving.LARGEST_SHARE = 0.0, 1.0  # after every chunk

    def cut(report) -> None:
        if report.epoch == 4:
            raise PowerCut

    env = mastac.make("lq-16", horizon=6)
    knobs = SMALL | {"kappa": 1, "keep": "best", "epochs": 6, "evaluation_interval": 2}
    for name, parts, progress in (("whole", 4, False), ("cut", 4, cut), ("one", None, False)):
        with suppress(PowerCut):
            where = {"out": out / name, "partition": parts, "progress": progress}
            mastac.train(env, seeds=[0, 1], **where, **knobs)
    mastac.resume(out / "cut", progress=False)


def main(cases: list[str]) -> None:
    """Print the distances of all cases."""
    print(json.dumps({case: apart(*spec_of(case)) for case in cases}))


if __name__ == "__main__":
    if sys.argv[1] == "--process":
        place, port = int(sys.argv[2]), sys.argv[3]
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(f"localhost:{port}", num_processes=4, process_id=place)
        main(sys.argv[4:])
    elif sys.argv[1] == "--runs":
        runs(Path(sys.argv[2]))
        print("{}")
    else:
        main(sys.argv[1:])
