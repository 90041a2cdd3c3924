"""How learners fare as the number of agents grows, to 960.

    python benchmarks/number_of_agents.py [--only ENV/ROW …] [--epochs-scale X] [--untuned]

Rings of linear-quadratic agents of which every third has an actuator: twelve agents over and over
again, so that exact figures are alike for all lengths of the ring. And a building of 400 zones of
which half have coolers. Tuning and networks are as in `decomposition.py`. Central and exact critics
of many agents read all of them: on one core they are not trained above about a hundred.
"""

from comparing import Study, run
from decomposition import DECAY, SMALL

RING = "lq-{},actuators=every-3,decay=0.7,coupling=0.3,repeat=12"
LARGE = [RING.format(960), "thermal-400,coolers=every-2,limit_kw=30"]
STUDY = Study(
    name="number-of-agents",
    rows={
        "maddpg-team": ("maddpg", {**SMALL, "rewards": "team"}),
        "exact": ("mastac", {**DECAY, "kappa": None}),
        "k2": ("mastac", {**DECAY, "kappa": 2}),
        "independent": ("independent", SMALL),
    },
    epochs={RING.format(12): 100, RING.format(96): 100} | dict.fromkeys(LARGE, 100),
    base="k2",
    without=[f"{label}/{row}" for label in LARGE for row in ("maddpg-team", "exact")],
)

if __name__ == "__main__":
    run(STUDY, __doc__ or "")
