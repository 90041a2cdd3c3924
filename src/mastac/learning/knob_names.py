"""Other names of knobs: those of stored runs, and those that users of other libraries know."""

from collections.abc import Mapping
from typing import Any

# Names that knobs had in runs stored by older versions.
FORMER_NAMES = {
    "soft": "max_entropy",
    "policy_actions": "others_actions",
    "smoothing_noise": "target_noise",
    "smoothing_clip": "target_noise_clip",
    "tuned_temperature": "tune_temperature",
    "random_final": "random_fraction_final",
    "normalise_advantages": "normalize_advantages",
}
# Names that older versions and other libraries give to our knobs: always explained, never accepted.
ELSEWHERE = FORMER_NAMES | {
    "gamma": "discount",
    "lr_actor": "actor_lr",
    "policy_lr": "actor_lr",
    "lr_critic": "critic_lr",
    "q_lr": "critic_lr",
    "polyak_tau": "tau",
    "exploration_noise": "noise",
    "hidden_sizes": "actor_hidden and critic_hidden",
    "learning_starts": "warmup_epochs",
    "lr": "actor_lr and critic_lr",
}


def stored_knobs(knobs: Mapping[str, Any]) -> dict[str, Any]:
    """Knobs of a stored run under their present names and with present values.

    >>> stored_knobs({"policy_actions": False, "tau": 0.1})
    {'others_actions': 'replay', 'tau': 0.1}
    """
    values = {FORMER_NAMES.get(name, name): value for name, value in knobs.items()}
    if isinstance(values.get("others_actions"), bool):
        values["others_actions"] = "policy" if values["others_actions"] else "replay"
    return values
