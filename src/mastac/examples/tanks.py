"""Three tanks in a row: a complete environment of your own.

    python -m mastac.examples.tanks

Water flows from the upper tank to the middle one, and from there to the lower one. Each tank is an
agent with a pump of its own, and its task is to hold its water level at 1.
"""

import jax
import numpy as np

import mastac

# Who affects whom, in pairs (source, target). Graphs that are left out have no edges between
# agents: each tank sees its own level and is paid for its own level. `action=[]` says that a pump
# moves water in its own tank alone; without it, actions would have the edges of `state`.
row = mastac.Couplings(
    ["upper", "middle", "lower"], state=[("upper", "middle"), ("middle", "lower")], action=[]
)
inflow = np.array(row.state.toarray(), float) - np.eye(3)  # [i, j] is 1 if tank j feeds tank i
sizes = np.ones(3, int)  # one number for each agent
env = mastac.Environment(
    id="tanks",
    couplings=row,
    horizon=20,
    reset=lambda key: jax.random.uniform(key, (3, 1)),
    step=lambda level, pump, time, key: 0.8 * level + 0.2 * inflow @ level + 0.5 * pump,
    reward=lambda level, pump, time: -((level - 1.0) ** 2)[:, 0] - 0.01 * (pump**2)[:, 0],
    observe=lambda level: level,
    state_sizes=sizes,
    obs_sizes=sizes,
    action_sizes=sizes,
    action_head="tanh",
)

if __name__ == "__main__":
    print("the value of 'lower' depends on", mastac.value_dependency(row).members("lower"))
    run = mastac.train(env, kappa=None, epochs=400, seeds=[0, 1, 2], out="runs/tanks")
    print("mean return of the trained policies:", run.summary["greedy_mean"])
    print(run.policy(seed=0).act({"upper": [0.2], "middle": [1.0], "lower": [1.3]}))
