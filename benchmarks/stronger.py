"""What strengthens the learner: twins, smoothing, several steps, sharing, maximum entropy.

    python benchmarks/stronger.py [--only ENV/ROW …] [--epochs-scale X] [--untuned]

Seven rows on all examples, at equal lengths and equal tuning (see `comparing.py`): `mastac` as it
is, with twin critics, with twins and smoothed targets, with targets over three and five steps, with
one actor for each kind of agent, and the soft actor-critic. Lengths are short of the presets', so
what is compared is how fast and how safely a row learns.
"""

from comparing import Study, run

PLAIN = {"distance_decay": 1.0}  # the rows are compared without it
STUDY = Study(
    name="stronger",
    rows={
        "mastac": ("mastac", PLAIN),
        "twin": ("mastac", {**PLAIN, "twin_critics": True}),
        "twin-smoothed": ("mastac", {**PLAIN, "twin_critics": True, "target_noise": 0.2}),
        "3-steps": ("mastac", {**PLAIN, "n_steps": 3}),
        "5-steps": ("mastac", {**PLAIN, "n_steps": 5}),
        "shared": ("mastac", {**PLAIN, "share_actors": True}),
        "sac": ("mastac-sac", PLAIN),
    },
    epochs={
        "warehouse-9": 200,
        "warehouse-40": 300,
        "thermal-40": 120,
        "doors-12": 150,
        "lq-8": 200,
    },
    base="mastac",
)

if __name__ == "__main__":
    run(STUDY, __doc__ or "")
