"""Three tanks in a row, each fed by the one above and by a pump of its own: an environment written from nothing."""

import jax
import numpy as np

import mastac

row = mastac.Couplings(
    ["upper", "middle", "lower"], state=[("upper", "middle"), ("middle", "lower")], action=[]
)
inflow = np.array(row.state.toarray(), float) - np.eye(3)
each = np.ones(3, int)
env = mastac.Environment(
    id="tanks",
    couplings=row,
    horizon=20,
    reset=lambda key: jax.random.uniform(key, (3, 1)),
    step=lambda level, pump, time, key: 0.8 * level + 0.2 * inflow @ level + 0.5 * pump,
    reward=lambda level, pump, time: -((level - 1.0) ** 2)[:, 0] - 0.01 * (pump**2)[:, 0],
    observe=lambda level: level,
    state_sizes=each,
    obs_sizes=each,
    action_sizes=each,
    action_head="tanh",
)

if __name__ == "__main__":
    print("the value of 'lower' depends on", mastac.value_dependency(row).members("lower"))
    run = mastac.train(env, kappa=None, epochs=400, seeds=[0, 1, 2], out="runs/tanks")
    print("mean return of the trained policies:", run.summary["greedy_mean"])
    print(run.policy(seed=0).act({"upper": [0.2], "middle": [1.0], "lower": [1.3]}))
