"""Knobs with which the model-based method trains small systems in seconds."""

KNOBS = {
    "actor_hidden": [],
    "actor_lr": 0.03,
    "batch_size": 32,
    "model_members": 2,
    "model_units": 4,
    "model_steps": 60,
    "imagined_episodes": 4,
    "climbing_steps": 60,
}
