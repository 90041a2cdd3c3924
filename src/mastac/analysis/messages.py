r"""Who must send what to whom, while training and while running, if every agent is a machine of its own.

The model, in numbers that cross a link (a message is what one agent sends another in one step or
for one sample):

- *Running.* To act, agent i needs the states that it observes: `state_sizes[j]` numbers from each j
  in $I_O^i$, every step. That is all, for every algorithm whose policies are decentralised, and it
  does not depend on kappa.
- *Training, each step.* The critic of agent i lives with agent i, and with it a replay of what it
  reads. Beyond what it observes anyway it is sent the states of its set, and the actions of its
  set. Rewards are its own. The state at the next time is next step's message.
- *Training, each sample of an update.* For the target, $a'_k = \pi'_k(o'_k)$ of each k in the
  action set, which k computes from what it has observed itself; for the actors' gradient $a_k =
  \pi_k(o_k)$ likewise: one message of two times `action_sizes[k]` numbers from k to i. Back goes
  $\partial Q_i / \partial a_k$, another message, with as many numbers as the action has, since
  actor k climbs every value that it moves ($I_{GD}^k$). That all draw the same samples takes a
  shared seed.

Actors need not be sent. Sending their weights instead of actions would only pay for batches larger
than the weights, and the receiver would also need all that the sender observes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.analysis.window_sums import earlier, rows_of
from mastac.structure.couplings import Couplings
from mastac.structure.dependency import Dependency


def messages_of(
    couplings: Couplings,
    levels: tuple[csr_array, csr_array],
    kappas: Sequence[int],
    state_sizes: np.ndarray,
    action_sizes: np.ndarray,
    hidden: Sequence[int],
) -> dict[str, Any]:
    """What has to be sent, for each kappa and against central critics.

    **Arguments:**

    - `levels`: the windows at which states and actions enter the sets (`first_windows`).
    - `state_sizes`, `action_sizes`: numbers of each agent's state and action.
    - `hidden`: widths of the hidden layers of an actor, for a central trainer that sends weights
        back.

    **Returns:**

    `running`; `windows`, each with `kappa`, `step` and `sample`; `central_critics` (of everything,
    one with each agent, for the reward of the team) and `central_trainer` (a further machine, which
    learns for all), each with `step` and `sample`. Their entries are `messages`, `numbers` and
    `busiest`, the most numbers that one machine sends and receives. `step` is while training and
    holds what is sent for acting. `central_trainer["weights"]`: the numbers that it sends back
    whenever policies are renewed.
    """
    seen = _Entries.of(couplings.observation, np.zeros(couplings.observation.nnz, np.int32))
    states, actions = (_Entries.of(each, each.data) for each in levels)
    acting = seen.load(state_sizes, kappas)
    stored = states.beyond(seen).load(state_sizes, kappas)
    acted = actions.load(action_sizes, kappas)
    either = earlier(seen.levels(), earlier(*(each.levels() for each in (states, actions))))
    partners = _Entries.of(either, either.data).counts(kappas)
    return {
        "running": _figures(seen.counts(kappas)[0], acting[:, 0]),
        "windows": [
            {
                "kappa": kappa,
                "step": _figures(
                    partners[place], acting[:, place] + stored[:, place] + acted[:, place]
                ),
                "sample": _figures(2 * actions.counts(kappas)[place], 3 * acted[:, place]),
            }
            for place, kappa in enumerate(kappas)
        ],
        "central_critics": _central_critics(state_sizes, action_sizes),
        "central_trainer": _central_trainer(
            couplings, acting[:, 0], state_sizes, action_sizes, hidden
        ),
    }


def partners_of(
    dependency: Dependency, row: int, state_sizes: np.ndarray, action_sizes: np.ndarray
) -> list[dict[str, Any]]:
    """Whom one agent sends numbers to and receives them from while training, in each step and for each sample.

    `agent`, `step_from`, `step_to`, `sample_from`, `sample_to`: to and from that other agent.
    """
    couplings = dependency.couplings
    assert isinstance(couplings, Couplings)
    matrices = (couplings.observation, dependency.states, dependency.actions)
    reads = [set(each[[row]].indices.tolist()) for each in matrices]
    read_by = [set(csr_array(each.T)[[row]].indices.tolist()) for each in matrices]
    own_state, own_action = int(state_sizes[row]), int(action_sizes[row])
    rows = []
    for other in sorted(set().union(*reads, *read_by) - {row}):
        state, action = int(state_sizes[other]), int(action_sizes[other])
        is_read = other in reads[2], other in read_by[2]
        rows.append(
            {
                "agent": couplings.agents[other],
                "step_from": state * (other in reads[0] | reads[1]) + action * is_read[0],
                "step_to": own_state * (other in read_by[0] | read_by[1]) + own_action * is_read[1],
                "sample_from": 2 * action * is_read[0] + own_action * is_read[1],
                "sample_to": action * is_read[0] + 2 * own_action * is_read[1],
            }
        )
    return rows


class _Entries(NamedTuple):
    """Who sends to whom, and from which window on; nobody to himself."""

    receiver: np.ndarray
    sender: np.ndarray
    level: np.ndarray
    num_agents: int

    @staticmethod
    def of(matrix: csr_array, level: np.ndarray) -> _Entries:
        rows = rows_of(matrix)
        others = rows != matrix.indices
        return _Entries(
            rows[others],
            matrix.indices[others].astype(np.int64),
            level[others],
            len(matrix.indptr) - 1,
        )

    def levels(self) -> csr_array:
        """As a matrix, row receives from column."""
        indptr = np.concatenate(
            [[0], np.cumsum(np.bincount(self.receiver, minlength=self.num_agents))]
        )
        return csr_array(
            (self.level, self.sender, indptr), shape=(self.num_agents, self.num_agents)
        )

    def beyond(self, other: _Entries) -> _Entries:
        """The entries that `other` has not."""
        own, others = (each.receiver * self.num_agents + each.sender for each in (self, other))
        new = ~np.isin(own, others)
        return _Entries(self.receiver[new], self.sender[new], self.level[new], self.num_agents)

    def counts(self, kappas: Sequence[int]) -> np.ndarray:
        """How many there are, for each kappa."""
        return np.bincount(np.searchsorted(kappas, self.level), minlength=len(kappas)).cumsum()

    def load(self, weights: np.ndarray, kappas: Sequence[int]) -> np.ndarray:
        """Numbers that each agent sends and receives, for each kappa, a sender's numbers being `weights`."""
        place = np.searchsorted(kappas, self.level)
        cells = self.num_agents * len(kappas)
        sums = sum(
            np.bincount(side * len(kappas) + place, weights[self.sender], cells)
            for side in (self.receiver, self.sender)
        )
        return np.reshape(sums, (-1, len(kappas))).cumsum(axis=1).astype(np.int64)


def _figures(messages: int, load: np.ndarray) -> dict[str, int]:
    """Every number is on the load of its sender and of its receiver."""
    return {"messages": int(messages), "numbers": int(load.sum()) // 2, "busiest": int(load.max())}


def _central_critics(state_sizes: np.ndarray, action_sizes: np.ndarray) -> dict[str, Any]:
    """Everything from everyone: states, actions and rewards each step, target actions for each sample.

    A critic advises its own actor only, so no derivatives are sent; the other actions in its
    gradient are stored ones.
    """
    number = len(state_sizes)
    per_step = state_sizes + action_sizes + 1

    def all_to_all(numbers: np.ndarray) -> dict[str, int]:
        return _figures(number * (number - 1), numbers.sum() - numbers + (number - 1) * numbers)

    return {"step": all_to_all(per_step), "sample": all_to_all(action_sizes)}


def _central_trainer(
    couplings: Couplings,
    acting: np.ndarray,
    state_sizes: np.ndarray,
    action_sizes: np.ndarray,
    hidden: Sequence[int],
) -> dict[str, Any]:
    """All that happens is sent to one further machine; between agents only what they observe."""
    number = len(state_sizes)
    per_step = state_sizes + action_sizes + 1
    load = np.append(acting + per_step, per_step.sum())
    # As many messages between agents as there are edges, and one from each agent: the matrix has a
    # diagonal.
    observed = couplings.observation @ state_sizes
    widths = [observed, *hidden, action_sizes]
    weights = sum((one + 1) * other for one, other in pairwise(widths))
    return {
        "step": _figures(couplings.observation.nnz, load),
        "sample": _figures(0, np.zeros(1)),
        "weights": int(np.sum(weights * np.ones(number, np.int64))),
    }
