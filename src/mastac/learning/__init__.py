"""The learner: what is trained, from what, and the loop that does it.

Importing this package imports no JAX; names are loaded when first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from mastac.learning.actor_step import action_gradients, actor_gradient
    from mastac.learning.buffer import Batch, Buffer, Episode, replay_buffer, rollout_buffer
    from mastac.learning.critic_inputs import (
        CriticInputs,
        action_inputs,
        action_units,
        batch_inputs,
    )
    from mastac.learning.learner import (
        buffer_of,
        learner_of,
        learner_spec,
        update_kind,
        update_schedule,
    )
    from mastac.learning.loop import (
        EpochMetrics,
        OneSeed,
        Program,
        RunState,
        one_seed,
        training_program,
    )
    from mastac.learning.observing import observations
    from mastac.learning.schedule import UpdateSchedule
    from mastac.learning.settings import Settings
    from mastac.learning.spec import Learner, LearnerSpec, LearnerState, Metrics, UpdateKind

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "actor_step": ["action_gradients", "actor_gradient"],
        "buffer": ["Batch", "Buffer", "Episode", "replay_buffer", "rollout_buffer"],
        "critic_inputs": [
            "CriticInputs",
            "action_inputs",
            "action_units",
            "batch_inputs",
        ],
        "learner": ["buffer_of", "learner_of", "learner_spec", "update_kind", "update_schedule"],
        "loop": ["EpochMetrics", "OneSeed", "Program", "RunState", "one_seed", "training_program"],
        "observing": ["observations"],
        "schedule": ["UpdateSchedule"],
        "settings": ["Settings"],
        "spec": ["Learner", "LearnerSpec", "LearnerState", "Metrics", "UpdateKind"],
    },
)

__all__ = [
    "Batch",
    "Buffer",
    "CriticInputs",
    "Episode",
    "EpochMetrics",
    "Learner",
    "LearnerSpec",
    "LearnerState",
    "Metrics",
    "OneSeed",
    "Program",
    "RunState",
    "Settings",
    "UpdateKind",
    "UpdateSchedule",
    "action_gradients",
    "action_inputs",
    "action_units",
    "actor_gradient",
    "batch_inputs",
    "buffer_of",
    "learner_of",
    "learner_spec",
    "observations",
    "one_seed",
    "replay_buffer",
    "rollout_buffer",
    "training_program",
    "update_kind",
    "update_schedule",
]
