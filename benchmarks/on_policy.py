"""What structure gives on-policy, at equal samples and equal tuning.

    python benchmarks/on_policy.py [--only ENV/ROW …] [--epochs-scale X] [--untuned]

PPO on three layouts, which are all that tells the rows apart: structured (`mastac-ppo`, windows of
κ = 2), central (`mappo`) and independent (`ippo`). Beside them the structured advantage
actor-critic, and the zeroth-order method of Jing et al. `comparing.py` says how they are compared.
"""

from comparing import Study, run

STUDY = Study(
    name="on-policy",
    rows={
        name: (name, {}) for name in ("mastac-ppo", "mappo", "ippo", "mastac-a2c", "zeroth-order")
    },
    epochs={
        "warehouse-9": 1000,
        "warehouse-40": 2000,
        "thermal-40": 600,
        "doors-12": 600,
        "lq-8": 600,
    },
    base="mastac-ppo",
)

if __name__ == "__main__":
    run(STUDY, __doc__ or "")
