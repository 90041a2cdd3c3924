"""What `mastac variance` measures, by kind of system. JAX is imported for Monte Carlo only."""

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from mastac.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from mastac.envs.base import Environment
    from mastac.structure import Couplings
    from mastac.theory.monte_carlo import Means
    from mastac.theory.sets import DependencySets
    from mastac.theory.variance import VarianceTerms

DISCOUNT = 0.95
MOST_LINEAR = 250  # agents; the work of exact moments grows with the fourth power
MOST_AGENTS = 2000


class Question(NamedTuple):
    """What to measure: one of an environment, a game and a run folder, and how.

    `discount` is `None` for the default of the system, `agent` for all agents.
    """

    env: str | None
    game: str | None
    folder: str | None
    kappa: int | None
    baseline: str
    discount: float | None
    std: float
    samples: int
    seed: int
    num_agents: int
    agent: str | None
    env_options: dict[str, Any]


class Answer(NamedTuple):
    r"""The terms of the chosen agents.

    `terms` and `gap` (the squared norm of the difference of the estimators' means) are arrays
    [batches, agents], one batch where they are exact. `all_moved` says whether every policy moves
    every value. `setting` describes the system in words.
    """

    terms: "VarianceTerms"
    gap: "np.ndarray"
    agents: list[str]
    all_moved: bool
    discount: float
    setting: dict[str, str]


def measure(question: Question) -> Answer:
    """The terms of the variances: exact where they can be, by Monte Carlo elsewhere.

    **Raises:**

    - `UserError` if the system does not exist, is too large, or has no agent of that name.
    """
    if question.game is not None:
        return _of_game(question.game, question)
    if question.folder is not None:
        return _of_run(question.folder, question)
    assert question.env is not None
    if question.env.startswith("lq-"):
        return _of_linear_network(question.env, question)
    return _of_environment(question.env, question)


def _chosen(question: Question, couplings: "Couplings") -> list[int]:
    """The indices of the agents that were asked for."""
    if question.agent is None:
        return list(range(couplings.num_agents))
    return [couplings.index(question.agent)]


def _exact(
    question: Question,
    couplings: "Couplings",
    sets: "DependencySets",
    terms: "VarianceTerms",
    discount: float,
    setting: dict[str, str],
) -> Answer:
    """Exact terms as a single batch."""
    import numpy as np

    chosen = _chosen(question, couplings)
    batch = {
        field.name: np.atleast_2d(getattr(terms, field.name)) for field in dataclasses.fields(terms)
    }
    picked = {
        name: values if values.shape[1] == 1 else values[:, chosen]
        for name, values in batch.items()
    }
    return Answer(
        terms=type(terms)(**picked),
        gap=(terms.bias**2 * terms.mean_centralised)[None, chosen],
        agents=[couplings.agents[i] for i in chosen],
        all_moved=bool(sets.gradient[chosen].all()),
        discount=discount,
        setting=setting,
    )


def _of_game(name: str, question: Question) -> Answer:
    """Enumerate a random game."""
    from mastac.theory.example_games import game_couplings, random_game, random_logits
    from mastac.theory.sets import dependency_sets
    from mastac.theory.variance import game_terms

    discount = DISCOUNT if question.discount is None else question.discount
    couplings = game_couplings(name, question.num_agents)
    _chosen(question, couplings)  # to refuse an unknown agent before the work
    game = random_game(couplings, question.seed, discount=discount)
    sets = dependency_sets(couplings, question.kappa)
    terms = game_terms(game, random_logits(game, question.seed), sets, question.baseline)
    setting = {
        "of": f"a random game of {question.num_agents} agents, {name}, seed {question.seed}: "
        "exact, by enumeration",
        "policies": "random softmax tables; states as discounted from the start",
    }
    return _exact(question, couplings, sets, terms, discount, setting)


def _of_linear_network(env: str, question: Question) -> Answer:
    """Compute the moments of a linear-quadratic network."""
    from mastac.envs.graphs import couplings_of
    from mastac.envs.linear_quadratic.references import lq_problem
    from mastac.envs.registry import checked_options
    from mastac.structure import steady
    from mastac.theory.linear_quadratic import best_structured_gain
    from mastac.theory.lq_variance import gaussian_network, lq_terms
    from mastac.theory.sets import dependency_sets

    options = checked_options(env, question.env_options)
    couplings = steady(couplings_of(env, options))
    if couplings.num_agents > MOST_LINEAR:
        raise UserError(
            f"exact variances of '{env}' would take long; ask of at most {MOST_LINEAR} agents"
        )
    _chosen(question, couplings)  # to refuse an unknown agent before the work
    discount = DISCOUNT if question.discount is None else question.discount
    problem = lq_problem(couplings, options)
    gain = best_structured_gain(problem, constant=False)[0][:, : problem.num_states]
    network = gaussian_network(problem, gain, discount, question.std)
    sets = dependency_sets(couplings, question.kappa)
    terms = lq_terms(network, sets, question.baseline)
    setting = {
        "of": f"{env}: exact, in the stationary law",
        "policies": f"the best linear feedback of what is observed, and noise of {question.std:g}",
    }
    return _exact(question, couplings, sets, terms, discount, setting)


def _of_environment(name: str, question: Question) -> Answer:
    """Sample around the simple policy of an environment."""
    from mastac.envs.naming import environment_from
    from mastac.learning.settings import Settings
    from mastac.structure import CouplingSequence

    # Mistakes are reported before JAX is imported.
    source = environment_from(name, question.env_options)
    declared = source.structure.couplings
    if declared.num_agents > MOST_AGENTS:
        raise UserError(f"'{name}' is too large to sample; ask of at most {MOST_AGENTS} agents")
    _chosen(question, declared.union() if isinstance(declared, CouplingSequence) else declared)
    from mastac.theory.monte_carlo import simple_means

    env = source.build()
    discount = Settings().discount if question.discount is None else question.discount
    return _sampled(question, env, simple_means(env), discount, "the simple policy")


def _of_run(folder: str, question: Question) -> Answer:
    """Sample around the policies that a run has learnt."""
    from mastac.runs.run import load
    from mastac.theory.monte_carlo import network_means

    run = load(folder)
    seed, env = run.config.seeds[0], run.env
    policy = run.policy(seed)
    means = network_means(env, policy.weights, policy.biases, policy.action_limit)
    discount = run.config.settings.discount if question.discount is None else question.discount
    return _sampled(question, env, means, discount, f"those that seed {seed} of '{folder}' learnt")


def _sampled(
    question: Question, env: "Environment", means: "Means", discount: float, policies: str
) -> Answer:
    """Estimate the terms by Monte Carlo around policies, which `policies` names."""
    from mastac.structure import CouplingSequence
    from mastac.theory.monte_carlo import sampled_terms
    from mastac.theory.sets import dependency_sets

    couplings = env.couplings
    couplings = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    chosen, sets = _chosen(question, couplings), dependency_sets(couplings, question.kappa)
    sampled = sampled_terms(
        env,
        sets,
        means,
        question.std,
        discount,
        question.baseline,
        question.samples,
        question.seed,
        agents=chosen,
    )
    head = f" before the {env.action_head}" if env.head.is_bounded else ""
    setting = {
        "of": f"{env.id}: Monte Carlo, {sampled.samples} states and actions, "
        "± is half of a 95 % interval",
        "policies": f"{policies}, and noise of {question.std:g}{head}",
    }
    return Answer(
        terms=sampled.terms,
        gap=sampled.gap,
        agents=[couplings.agents[i] for i in chosen],
        all_moved=bool(sets.gradient[chosen].all()),
        discount=discount,
        setting=setting,
    )
