"""The paper's theorems, the variance identity and fixed points of credit, computed exactly.

Names are loaded when first used; only Monte Carlo imports JAX.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from mastac.theory.credit_games import (
        FixedPoint,
        credited_fixed_point,
        credited_gradient,
        windowed_credit,
    )
    from mastac.theory.example_games import (
        constant_pair,
        game_couplings,
        infection_ring,
        random_game,
        random_logits,
    )
    from mastac.theory.games import Game
    from mastac.theory.lq_variance import gaussian_network, lq_terms
    from mastac.theory.monte_carlo import network_means, sampled_terms, simple_means
    from mastac.theory.sets import DependencySets, dependency_sets
    from mastac.theory.theorem_study import theorem_rows, theorem_text
    from mastac.theory.variance import BASELINES, VarianceTerms, game_bounds, game_terms

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "credit_games": [
            "FixedPoint",
            "credited_fixed_point",
            "credited_gradient",
            "windowed_credit",
        ],
        "example_games": [
            "constant_pair",
            "game_couplings",
            "infection_ring",
            "random_game",
            "random_logits",
        ],
        "games": ["Game"],
        "lq_variance": ["gaussian_network", "lq_terms"],
        "monte_carlo": ["network_means", "sampled_terms", "simple_means"],
        "sets": ["DependencySets", "dependency_sets"],
        "theorem_study": ["theorem_rows", "theorem_text"],
        "variance": ["BASELINES", "VarianceTerms", "game_bounds", "game_terms"],
    },
)

__all__ = [
    "BASELINES",
    "DependencySets",
    "FixedPoint",
    "Game",
    "VarianceTerms",
    "constant_pair",
    "credited_fixed_point",
    "credited_gradient",
    "dependency_sets",
    "game_bounds",
    "game_couplings",
    "game_terms",
    "gaussian_network",
    "infection_ring",
    "lq_terms",
    "network_means",
    "random_game",
    "random_logits",
    "sampled_terms",
    "simple_means",
    "theorem_rows",
    "theorem_text",
    "windowed_credit",
]
