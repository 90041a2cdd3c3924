"""Simulators of other packages, each a PettingZoo `ParallelEnv` with the couplings of its data.

| module | simulator | extra |
|---|---|---|
| `reservoirs` | ten reservoirs of rddlrepository, through pyRDDLGym | `rddl` |
| `hvac` | six rooms of rddlrepository, through pyRDDLGym | `rddl` |
| `compiled` | both of these as JAX programs, through pyRDDLGym-jax | `rddl-jax` |
| `signals` | sixteen traffic lights of a road network, through libsumo | `sumo` |
| `pumps` | pumps and tanks of a water network, through WNTR | `water` |
| `spread` | three particles that share out landmarks, of mpe2 | `mpe` |

Each but `compiled` has `env`, and `BASELINES`: policies that need no training. Importing this table
imports none of the simulators.
"""

OUTSIDE = {
    "reservoirs": "rddl",
    "hvac": "rddl",
    "signals": "sumo",
    "pumps": "water",
    "spread": "mpe",
}
"""The extra of the package that each example needs."""

__all__ = ["OUTSIDE"]
