"""The ring of warehouses of `warehouse-N`, written for TorchRL, and BenchMARL's task of it.

Dynamics, observations and rewards are those of `mastac.envs.warehouse` with `graph="ring"`. As
there, an action is three numbers for each warehouse, and a softmax makes the shares of the stock
from them. Needs the environment that `compare.py` makes.
"""

# pyright: reportMissingImports=false
# PyTorch is not installed beside mastac.

import functools
from collections.abc import Callable
from typing import Any

import torch
from benchmarl.environments import TaskClass
from tensordict import TensorDict, TensorDictBase
from torchrl.data import Bounded, Composite, Unbounded
from torchrl.envs import EnvBase

LOGITS = 3.0
"""Actions lie between this and its negative. BenchMARL's MADDPG needs bounds."""
HORIZON = 8
GROUP = "agents"


def neighbours(agents: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Whom each warehouse sends to, `[agents, 2]`, and which slots of theirs send to it.

    Slot 0 is what stays; slots 1 and 2 go to the neighbours, the lower number first.
    """
    sends = torch.tensor([sorted(((i - 1) % agents, (i + 1) % agents)) for i in range(agents)])
    slots = [[1 + sends[j].tolist().index(i) for j in sends[i].tolist()] for i in range(agents)]
    return sends, torch.tensor(slots)


class Ring(EnvBase):
    """Warehouses on a ring, `envs` rings at once.

    **Arguments:**

    - `agents`: warehouses on a ring.
    - `envs`: rings.
    """

    def __init__(self, agents: int, envs: int = 1) -> None:
        super().__init__(batch_size=torch.Size([envs]))
        self.agents = agents
        self.sends, self.slots = neighbours(agents)
        self.sign = torch.where(torch.arange(agents) < agents // 2, 1.0, -1.0)
        shape = (envs, agents)

        def group(**specs: Any) -> Composite:
            return Composite({GROUP: Composite(specs, shape=shape)}, shape=(envs,))

        self.observation_spec = group(observation=Unbounded((*shape, 4)))
        self.action_spec = group(action=Bounded(-LOGITS, LOGITS, (*shape, 3)))
        self.reward_spec = group(reward=Unbounded((*shape, 1)))

    def supply(self, time: int) -> torch.Tensor:
        """What every stock grows by at a time."""
        return self.sign * torch.sin(torch.tensor(float(time)))

    def seen(self) -> TensorDict:
        """The own net supply, the own stock, and those of the neighbours."""
        supply = self.supply(self.time).expand_as(self.stock)[..., None]
        parts = [supply, self.stock[..., None], self.stock[:, self.sends]]
        own = TensorDict({"observation": torch.cat(parts, -1)}, self.stock.shape)
        return TensorDict({GROUP: own}, self.batch_size)

    def _reset(self, tensordict: TensorDictBase | None = None, **_: Any) -> TensorDict:
        self.stock, self.time = torch.ones(*self.batch_size, self.agents), 0
        return self.seen()

    def _step(self, tensordict: TensorDictBase) -> TensorDict:
        shares = tensordict[GROUP, "action"].softmax(-1)
        reward = -(self.stock.clamp(max=0.0) ** 2)
        sent = self.stock.clamp(min=0.0)[..., None] * shares
        received = sent[:, self.sends, self.slots].sum(-1)
        kept = torch.where(self.stock >= 0, sent[..., 0], self.stock)
        self.stock = kept + received + self.supply(self.time)
        self.time += 1
        result = self.seen()
        result[GROUP, "reward"] = reward[..., None]
        done = torch.full((*self.batch_size, 1), self.time >= HORIZON)
        return result.update({"done": done, "terminated": done.clone()})

    def _set_seed(self, seed: int | None) -> None:
        """Nothing here is drawn."""


class RingTask(TaskClass):
    """What BenchMARL asks of a task."""

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], EnvBase]:
        return functools.partial(Ring, self.config["agents"], num_envs)

    def supports_continuous_actions(self) -> bool:
        return True

    def supports_discrete_actions(self) -> bool:
        return False

    def max_steps(self, env: EnvBase) -> int:
        return HORIZON

    def has_render(self, env: EnvBase) -> bool:
        return False

    def group_map(self, env: EnvBase) -> dict[str, list[str]]:
        return {GROUP: [f"{GROUP}_{i}" for i in range(self.config["agents"])]}

    def observation_spec(self, env: EnvBase) -> Composite:
        return env.full_observation_spec_unbatched.clone()

    def action_spec(self, env: EnvBase) -> Composite:
        return env.full_action_spec_unbatched.clone()

    def state_spec(self, env: EnvBase) -> None:
        """None: BenchMARL then stacks the critics, which is faster than one after the other."""

    def info_spec(self, env: EnvBase) -> None:
        return None

    def action_mask_spec(self, env: EnvBase) -> None:
        return None

    @staticmethod
    def env_name() -> str:
        return "ring"
