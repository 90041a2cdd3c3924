"""From MADDPG to MAStAC one step at a time, on every example whose simulator has slopes.

    python benchmarks/decomposition.py [--only ENV/ROW …] [--epochs-scale X] [--untuned]

Lengths and tuning are equal (see `comparing.py`) and networks small. The rows:

- `maddpg-team`, `maddpg-own`: central critics of the team's mean reward, and of the own reward;
- `qhat-k2`: one central critic of the sum of the rewards of the gradient dependency set;
- `q-k2`: one central critic for each reward, summed by the actors;
- `k2-plain`, `exact-plain`: the same with critics that read the value dependency sets. This is
    MAStAC without distance decay;
- `k2`, `exact`, `k1`, `k0`: MAStAC with distance decay;
- `k2-replay`: actions of others from the replay, not from their current policies;
- `k2-own`: the sets without the sum;
- `independent`: neither sets nor sum.

The size of the decay was tuned on `thermal-40` alone. That other agents count as at least one step
away, which matters where rewards are shared, was chosen on `thermal-40,reward=neighbours`.
"""

from comparing import Study, run

SMALL = {"critic_hidden": [64, 64], "batch_size": 64}
PLAIN, DECAY = {**SMALL, "distance_decay": 1.0}, {**SMALL, "distance_decay": 0.25}
APART = "warehouse-40,supply=apart-2,frequency=0.5,initial_stock=0.5"
SPARSE = "lq-40,actuators=every-3,decay=0.7,coupling=0.3"
SHARED = "lq-12,actuators=every-3,decay=0.7,coupling=0.3,reward=neighbours"
STUDY = Study(
    name="decomposition",
    rows={
        "maddpg-team": ("maddpg", {**SMALL, "rewards": "team"}),
        "maddpg-own": ("maddpg", {**SMALL, "rewards": "own"}),
        "qhat-k2": ("undecomposed-qhat", {**SMALL, "kappa": 2}),
        "q-k2": ("undecomposed-q", {**SMALL, "kappa": 2}),
        "k2-plain": ("mastac", {**PLAIN, "kappa": 2}),
        "exact-plain": ("mastac", {**PLAIN, "kappa": None}),
        "k2": ("mastac", {**DECAY, "kappa": 2}),
        "exact": ("mastac", {**DECAY, "kappa": None}),
        "k1": ("mastac", {**DECAY, "kappa": 1}),
        "k0": ("mastac", {**DECAY, "kappa": 0}),
        "k2-replay": ("mastac", {**DECAY, "kappa": 2, "others_actions": "replay"}),
        "k2-own": ("selfish", {**DECAY, "kappa": 2}),
        "independent": ("independent", SMALL),
    },
    epochs={
        "warehouse-9": 200,
        "warehouse-40": 300,
        "thermal-40": 100,
        "thermal-40,coolers=every-2,limit_kw=30": 100,
        "lq-8": 150,
        SPARSE: 150,
        "doors-12": 150,
        APART: 100,
        "thermal-40,reward=neighbours": 100,
        SHARED: 100,
    },
    base="k2-plain",
)

if __name__ == "__main__":
    run(STUDY, __doc__ or "")
