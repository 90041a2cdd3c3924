"""Another value for every knob, and what shows that the knob has an effect."""

from typing import Any

from mastac.algorithms import ALGORITHMS

# Numbers: the same program ends elsewhere.
NUMBERS = {
    "actor_lr": 7e-3,
    "critic_lr": 7e-3,
    "lr_final": 0.1,
    "discount": 0.5,
    "tau": 0.3,
    "reward_scale": 3.0,
}
NUMBERS |= {"gae_lambda": 0.5, "entropy_bonus": 0.3}
# Shapes: other arrays evolve.
SHAPES = {
    "actor_hidden": (9,),
    "critic_hidden": (9,),
    "mixer_embedding": 5,
    "finite_horizon": lambda chosen: not chosen,
    "twin_critics": lambda chosen: not chosen,
}
# Programs: other operations, whose numbers the tests of the single pieces check.
PROGRAMS = {
    "others_actions": lambda chosen: "replay" if chosen == "policy" else "policy",
    "minimal": lambda chosen: not chosen,
    "rewards": lambda chosen: "own" if chosen == "team" else "team",
    "critic_activation": "tanh",
    "max_grad_norm": 1e-4,
    "target_noise": 0.3,
    "target_noise_clip": 0.1,
    "policy_delay": lambda chosen: 3 - chosen,
    "clip_ratio": lambda chosen: 0.2 - chosen,
    "normalize_advantages": lambda chosen: not chosen,
    "share_actors": lambda chosen: not chosen,
    "share_critics": lambda chosen: not chosen,
    "temperature": 0.2,
    "tune_temperature": lambda chosen: not chosen,
    "entropy_target": -0.5,
    "saturation_cost": 0.3,
    "relative_errors": lambda chosen: not chosen,
    "critics_first": 7,
    "distance_decay": lambda chosen: 0.5 if chosen == 1 else 1.0,
}
# Knobs that only matter beside others.
BESIDE: dict[str, dict[str, Any]] = {
    "target_noise_clip": {"target_noise": 0.2},
    "temperature": {"tune_temperature": False},
}
# Before any update: the first weights.
BEFORE: dict[str, Any] = {"actor_output_scale": 0.3}
# What the loop around the update reads.
LOOP = {
    "batch_size": 17,
    "buffer_size": 50,
    "updates_per_epoch": 3,
    "warmup_epochs": 9,
    "n_steps": 2,
    "keep": "best",
}
LOOP |= {"noise_cycle": True, "episode_noise": 2.0}
LOOP |= {"rollout_steps": 100, "perturbation": 0.2}
LOOP |= {"noise": 0.7, "noise_final": 0.6, "random_fraction": 0.5, "random_fraction_final": 0.4}
# Of learners through a model, which have tests of their own.
MODEL = {
    "dynamics": lambda chosen: "true" if chosen == "learnt" else "learnt",
    "model_reads": lambda chosen: "all" if chosen == "neighbours" else "neighbours",
    "model_members": 2,
    "model_units": 5,
    "model_lr": 0.01,
    "model_steps": 7,
    "imagined_episodes": 3,
    "imagined_steps": lambda chosen: chosen + 2,
    "critic_steps": 6,
    "imagined_share": 0.25,
    "branch_steps": 3,
    "updates_per_step": 0.4,
    "climbing_steps": 5,
}
ALWAYS_FIXED = {
    "coordinated": lambda chosen: not chosen,
    "mixer": lambda chosen: "sum" if chosen != "sum" else "none",
}
ALWAYS_FIXED["estimator"] = lambda chosen: "score" if chosen != "score" else "pathwise"
ALWAYS_FIXED["terminal_value"] = lambda chosen: "critics" if chosen == "none" else "none"
ALWAYS_FIXED["max_entropy"] = lambda chosen: not chosen
ALWAYS_FIXED["imagined_data"] = lambda chosen: not chosen
OTHERS = NUMBERS | SHAPES | PROGRAMS | BEFORE | LOOP | MODEL | ALWAYS_FIXED


def other(knob, chosen):
    """A value of a knob that is not the chosen one."""
    value = OTHERS[knob]
    return value(chosen) if callable(value) else value


def free(name, knobs):
    """The knobs of a list that a user of the algorithm can set to something else."""
    how = ALGORITHMS[name]
    return [
        knob
        for knob in knobs
        if knob not in how.constant_knobs and (knob != "rewards" or len(how.rewards) > 1)
    ]
