"""One measurement of BenchMARL's MADDPG; prints it as JSON. `compare.py` starts it.

build/peers/bin/python benchmarks/peers/theirs.py measure AGENTS THREADS CYCLES FOLDER
build/peers/bin/python benchmarks/peers/theirs.py episode AGENTS < LOGITS
"""

# pyright: reportMissingImports=false
# PyTorch is not installed beside mastac.

import json
import os
import resource
import sys
import time
from typing import Any

import torch
from benchmarl.algorithms import MaddpgConfig
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from ring import GROUP, Ring, RingTask
from tensordict import TensorDict

CYCLE = 8
BATCH, REPLAY = 256, 2048
HIDDEN = [64, 64, 64]


class Clock(Callback):
    """Keeps when each cycle ended, by the clock and in processor seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[list[float]] = []

    def on_train_end(self, training_td: Any, group: str) -> None:
        self.ends.append([time.time() - float(os.environ["BEGAN"]), time.process_time()])


def experiment(agents: int, cycles: int, folder: str, callback: Any) -> Any:
    """BenchMARL's experiment with the choices that the README tells."""
    algorithm = MaddpgConfig.get_from_yaml()
    algorithm.share_param_critic = False
    model = MlpConfig.get_from_yaml()
    model.num_cells, model.activation_class = HIDDEN, torch.nn.ReLU
    config = ExperimentConfig.get_from_yaml()
    choices: dict[str, Any] = {
        "share_policy_params": False,
        "gamma": 1.0,
        "lr": 1e-3,
        "clip_grad_val": None,
        "max_n_iters": cycles,
        "max_n_frames": None,
        "off_policy_collected_frames_per_batch": CYCLE,
        "off_policy_n_envs_per_worker": 1,
        "off_policy_n_optimizer_steps": 1,
        "off_policy_train_batch_size": BATCH,
        "off_policy_memory_size": REPLAY,
        "evaluation": False,
        "evaluation_episodes": 1,
        "loggers": [],
        "create_json": False,
        "checkpoint_interval": 0,
        "checkpoint_at_end": False,
        "save_folder": folder,
        "exploration_anneal_frames": CYCLE * 1000,
    }
    for name, value in choices.items():
        if not hasattr(config, name):
            raise SystemExit(f"BenchMARL has no option {name}")
        setattr(config, name, value)
    return Experiment(
        task=RingTask("ring", {"agents": agents}),
        algorithm_config=algorithm,
        model_config=model,
        seed=0,
        config=config,
        callbacks=[callback],
    )


def measure(agents: int, threads: int, cycles: int, folder: str) -> None:
    """Train, and print when each cycle ended, by the clock and in processor seconds."""
    torch.set_num_threads(threads)
    clock = Clock()
    made = experiment(agents, cycles, folder, clock)
    made.run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    weights = {
        name: sum(weight.numel() for weight in parameters)
        for name, parameters in made.algorithm.get_parameters("agents").items()
    }
    print(json.dumps({"ends": clock.ends, "peak_mib": peak, "weights": weights}))


def episode(agents: int) -> None:
    """Play an episode with the logits of standard input; print observations and rewards."""
    env, steps = Ring(agents), []
    state = env.reset()
    for logits in torch.tensor(json.load(sys.stdin)):
        seen = state[GROUP, "observation"][0].tolist()
        action = TensorDict({"action": logits[None]}, (1, agents))
        state = env.step(TensorDict({GROUP: action}, (1,)))["next"]
        steps.append([seen, state[GROUP, "reward"][0, :, 0].tolist()])
    print(json.dumps(steps))


if __name__ == "__main__":
    if sys.argv[1] == "episode":
        episode(int(sys.argv[2]))
    else:
        agents, threads, cycles = map(int, sys.argv[2:5])
        measure(agents, threads, cycles, sys.argv[5])
