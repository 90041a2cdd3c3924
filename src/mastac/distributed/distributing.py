"""A distributed run from its beginning to its results: training, playing, the ledger, the files."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mastac.distributed.jobs import Job, Learners, Source, players
from mastac.distributed.links import Links, groups_of
from mastac.distributed.lossy import Lossy
from mastac.distributed.messages import Ledger
from mastac.distributed.plans import check_environment, play_of
from mastac.distributed.promise import (
    Counts,
    Promise,
    central_promise,
    running_promise,
    structured_promise,
)
from mastac.distributed.results import Result
from mastac.distributed.running import all_weights, evaluate, ledger_of, reported, train
from mastac.distributed.team import Team
from mastac.envs.base import Environment
from mastac.learning.spec import LearnerState
from mastac.runs.evaluation import actor_of, evaluation_key, policies_of, policy_returns
from mastac.runs.plan import RunPlan
from mastac.runs.policy import EVALUATION_SEED, Policy
from mastac.runs.run import Run
from mastac.structure import Couplings

Teams = Callable[[Sequence[Any]], AbstractContextManager[Team]]
"""Processes for so many nodes, which end with the block."""
Say = Callable[[str], None]


def train_apart(
    job: Job, teams: Teams, size: int | None, cores: int, episodes: int, say: Say
) -> Result:
    """Train with every group of agents in a process of its own, then let them play.

    **Arguments:**

    - `size`: agents in a process; `None`: as many processes as `cores`.
    - `episodes`: of the trained policies.
    """
    plan = job.plan()
    training = job.training(plan)
    env, config = plan.env, plan.config
    groups = _groups(training.play.links, size, cores)
    say(f"training {config.algorithm} on {config.env} in {len(groups)} processes")

    def progress(epoch: int) -> None:
        if epoch % max(1, config.epochs // 10) == 0:
            say(f"epoch {epoch} of {config.epochs}")

    with teams([Learners(job, groups, k) for k in range(len(groups))]) as team:
        returns = train(team, training, groups, progress)
        ledger = ledger_of(team, len(groups))
        weights = all_weights(team.call("trained", [[]] * len(groups)), groups)
        team.replace(players(job.source, job.lossy, groups, weights))
        greedy = _played(team, env, groups, episodes, ledger)
    policy = _policy_of(plan, weights)
    epochs = config.epochs
    updates = training.schedule.updates_after(epochs)
    counts = Counts(
        episodes * env.horizon, epochs * env.horizon, epochs, updates, config.settings.batch_size
    )
    promise, acting = training_promise(plan), _acting_promise(env)
    facts = _facts(
        env,
        job.lossy,
        env=config.env,
        algorithm=config.algorithm,
        kappa=config.kappa,
        epochs=epochs,
        seed=job.seed,
        updates=updates,
    )
    return Result(
        facts,
        groups,
        greedy,
        _inside(env, policy, episodes),
        ledger,
        (promise.expected(counts) if promise else {}) | acting.expected(counts),
        (promise.expected_pairs(counts) if promise else {}) | acting.expected_pairs(counts),
        returns,
        policy,
    )


def play_apart(
    run: Run,
    seed: int | None,
    lossy: Lossy,
    teams: Teams,
    size: int | None,
    cores: int,
    episodes: int,
    say: Say,
) -> Result:
    """Let the agents of a trained run act, every group of them in a process of its own."""
    seed = run.config.chosen_seed(seed)
    policy, env = run.policy(seed), run.env
    check_environment(env)
    weights = jax.tree.map(np.asarray, actor_of(policy))
    play = play_of(env, tuple(int(bias.shape[1]) for bias in policy.biases[:-1]), lossy)
    groups, ledger = _groups(play.links, size, cores), Ledger()
    say(f"playing {run.config.env} in {len(groups)} processes")
    makes = players(Source(str(run.path), {}, True), lossy, groups, weights)
    with teams(makes) as team:
        greedy = _played(team, env, groups, episodes, ledger)
    counts, promise = Counts(running=episodes * env.horizon), _acting_promise(env)
    return Result(
        _facts(env, lossy, run=str(run.path), env=run.config.env, seed=seed),
        groups,
        greedy,
        _inside(env, policy, episodes),
        ledger,
        promise.expected(counts),
        promise.expected_pairs(counts),
    )


def training_promise(plan: RunPlan) -> Promise | None:
    """What `mastac graph --messages` promises of a training; `None` where it says nothing of it."""
    config, settings, env = plan.config, plan.config.settings, plan.env
    assert isinstance(env.couplings, Couplings)
    sizes = env.state_sizes, env.action_sizes
    if config.algorithm == "mastac" and settings.others_actions == "policy":
        return structured_promise(env.couplings, config.kappa, settings.minimal, *sizes)
    is_central = config.algorithm in ("maddpg", "matd3") and settings.rewards == "team"
    if is_central and settings.others_actions == "replay":
        return central_promise(env.couplings, *sizes)
    return None


def _policy_of(plan: RunPlan, weights: Any) -> Policy:
    """The policies as runs keep them."""
    one_seed = jax.tree.map(lambda leaf: np.asarray(leaf)[None], weights)
    empty = LearnerState(one_seed, (), (), (), (), ())
    return policies_of(plan.spec, empty)[0]


def _groups(links: Links, size: int | None, cores: int) -> list[list[int]]:
    """All agents in groups of a size; by default in as many groups as there are cores."""
    return groups_of(links, size or -(-links.num_agents // max(1, cores)))


def _played(
    team: Team, env: Environment, groups: list[list[int]], episodes: int, ledger: Ledger
) -> np.ndarray:
    """The returns of so many episodes of trained policies; what was sent goes to the ledger."""
    played = evaluate(team, env, groups, _episode_keys(episodes))
    ledger.add(ledger_of(team, len(groups)).entries)
    return np.array([reported(env, episode) for episode in played])


def _inside(env: Environment, policy: Policy, episodes: int) -> np.ndarray:
    """The returns of the same episodes in one process, where everyone sees all at once."""
    returns = policy_returns(env, policy, episodes, EVALUATION_SEED)
    return np.asarray(env.reported(jnp.asarray(returns)))


def _episode_keys(episodes: int) -> list[Any]:
    return list(jax.random.split(evaluation_key(), episodes))


def _acting_promise(env: Environment) -> Promise:
    assert isinstance(env.couplings, Couplings)
    return running_promise(env.couplings, env.state_sizes)


def _facts(world: Environment, lossy: Lossy, **facts: Any) -> dict[str, Any]:
    links = {"loss": lossy.loss, "burst": lossy.burst, "delay": lossy.delay}
    return facts | links | {"missing": lossy.missing, "agents": list(world.agents)}
