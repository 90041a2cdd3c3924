"""Environment steps per second, with the simple policy.

    python benchmarks/environments.py

One step moves all agents of one environment. `copies` environments run side by side.
"""

import jax

import mastac
from common import median_seconds, write
from mastac.envs import rollout_return

COPIES = (1, 64, 1024)


def main() -> None:
    rows = []
    for env_id in ("warehouse-9", "warehouse-40", "thermal-40", "lq-8"):
        # Without noise all copies of a warehouse network are the same and would be computed once.
        options = {"noise": 0.1} if env_id.startswith("warehouse") else {}
        env = mastac.make(env_id, **options)
        simple = env.simple_actions
        if simple is None:
            continue

        def one_return(key, env=env, act=simple):
            return rollout_return(env, lambda obs, state, time: act(state, time), key)

        returns = jax.jit(jax.vmap(one_return))
        for copies in COPIES:
            keys = jax.random.split(jax.random.key(0), copies)
            seconds = median_seconds(lambda keys=keys, returns=returns: returns(keys), 15)
            rows.append([env_id, env.num_agents, copies, env.horizon * copies / seconds])
    write("environments", ["env", "agents", "copies", "steps_per_second"], rows)


if __name__ == "__main__":
    main()
