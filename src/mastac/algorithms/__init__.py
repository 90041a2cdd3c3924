"""The algorithms, as data: which critics there are and what is fixed. Imports no JAX."""

from mastac.algorithms.base import Algorithm
from mastac.algorithms.facmac import FACMAC, FACMAC_NONMONOTONIC
from mastac.algorithms.independent import INDEPENDENT
from mastac.algorithms.khop import KHOP
from mastac.algorithms.maddpg import MADDPG, MATD3
from mastac.algorithms.mastac import MASTAC, MASTAC_COORDINATED, MASTAC_SAC
from mastac.algorithms.model import MASTAC_MODEL, MASTAC_MODEL_CRITICS, MASTAC_MODEL_DYNA
from mastac.algorithms.ppo import IPPO, MAPPO, MASTAC_A2C, MASTAC_PPO
from mastac.algorithms.qdcg import QDCG_CENTRALISED, QDCG_COUPLING, QDCG_DECENTRALISED
from mastac.algorithms.undecomposed import SELFISH, UNDECOMPOSED_Q, UNDECOMPOSED_QHAT
from mastac.algorithms.zeroth_order import ZEROTH_ORDER

__all__ = ["ALGORITHMS", "Algorithm", "users_of", "users_text"]

ALGORITHMS: dict[str, Algorithm] = {
    "mastac": MASTAC,
    "mastac-coordinated": MASTAC_COORDINATED,
    "mastac-sac": MASTAC_SAC,
    "mastac-model": MASTAC_MODEL,
    "mastac-model-critics": MASTAC_MODEL_CRITICS,
    "mastac-model-dyna": MASTAC_MODEL_DYNA,
    "undecomposed-q": UNDECOMPOSED_Q,
    "undecomposed-qhat": UNDECOMPOSED_QHAT,
    "selfish": SELFISH,
    "khop": KHOP,
    "independent": INDEPENDENT,
    "maddpg": MADDPG,
    "matd3": MATD3,
    "facmac": FACMAC,
    "facmac-nonmonotonic": FACMAC_NONMONOTONIC,
    "qdcg-decentralised": QDCG_DECENTRALISED,
    "qdcg-coupling": QDCG_COUPLING,
    "qdcg-centralised": QDCG_CENTRALISED,
    "mastac-ppo": MASTAC_PPO,
    "mastac-a2c": MASTAC_A2C,
    "mappo": MAPPO,
    "ippo": IPPO,
    "zeroth-order": ZEROTH_ORDER,
}


def users_of(knob: str) -> list[str]:
    """Names of the algorithms whose users can set a knob."""
    return [name for name, how in ALGORITHMS.items() if knob not in how.constant_knobs]


def users_text(knob: str) -> str:
    """Those algorithms in words, as short as can be.

    >>> users_text("clip_ratio"), users_text("critic_lr"), users_text("mixer")
    ('mastac-ppo, mappo, ippo', 'all but mastac-model, zeroth-order', 'set by the algorithm')
    """
    users = users_of(knob)
    others = [name for name in ALGORITHMS if name not in users]
    if not users:
        return "set by the algorithm"
    if not others:
        return "all"
    return ", ".join(users) if len(users) <= len(others) else f"all but {', '.join(others)}"
