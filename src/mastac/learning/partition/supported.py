"""Which learners can be spread over devices."""

import numpy as np

from mastac.errors import UserError
from mastac.learning.spec import LearnerSpec
from mastac.learning.updates import simultaneous


def check_supported(spec: LearnerSpec) -> None:
    """`UserError` that says in one sentence why a learner cannot be spread over devices."""
    env, settings, layout = spec.env, spec.settings, spec.layout
    rewards = layout.rewards.tocoo()
    own_rewards = (
        layout.mix is None
        and rewards.shape == (env.num_agents, env.num_agents)
        and rewards.nnz == env.num_agents
        and bool((rewards.row == rewards.col).all() and (rewards.data == 1).all())
    )
    reasons = [
        (
            spec.kind is not simultaneous.UPDATE,
            "only updates of deterministic actors that all step at once from a replay can be "
            "spread over devices; choose algorithm mastac, khop or independent, without imagined "
            "data",
        ),
        (
            not own_rewards,
            "only critics that predict their own agent's reward can be spread over devices; set "
            "rewards=own, or choose algorithm mastac",
        ),
        (
            layout.schedule is not None,
            f"couplings of environment '{env.id}' change with the time, which cannot be spread "
            "over devices; give their union",
        ),
        (
            settings.share_actors or settings.share_critics,
            "networks on several devices share nothing; set share_actors=false and "
            "share_critics=false",
        ),
        (
            env.is_host,
            f"'{env.id}' is a simulator outside JAX, which cannot be spread over devices; leave "
            "partition out",
        ),
        (
            not env.is_host and env.terminates,
            f"episodes of environment '{env.id}' may end early, which cannot be spread over "
            "devices; leave partition out",
        ),
    ]
    for applies, text in reasons:
        if applies:
            raise UserError(text)
    assert np.array_equal(
        np.sort(np.concatenate([bucket.terms for bucket in spec.buckets])),
        np.arange(env.num_agents),
    )
