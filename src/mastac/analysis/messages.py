r"""Who must send what to whom, while training and while running, if every agent is a machine.

The model counts numbers that cross a link. A message is what one agent sends another in one step or
for one sample.

- *Running.* To act, agent i needs the states that it observes: `state_sizes[j]` numbers from each j
  in $I_O^i$, every step. Every algorithm with decentralised policies needs this and no more,
  whatever kappa.
- *Training, each step.* The critic of agent i is stored with agent i, and so is a replay of what it
  reads. Agent i is sent the states of its set that it does not observe anyway, and the actions of
  its set. Rewards are its own. The next state comes with the message of the next step.
- *Training, each sample of an update.* The target needs $a'_k = \pi'_k(o'_k)$ of each k in the
  action set, and the actors' gradient needs $a_k = \pi_k(o_k)$. Agent k computes both from what it
  has observed: one message of two times `action_sizes[k]` numbers from k to i. The derivative
  $\partial Q_i / \partial a_k$ goes back, another message, with as many numbers as the action has:
  the gradient of actor k sums the derivatives of all values that it moves ($I_{GD}^k$). A shared
  seed makes all agents draw the same samples.

Weights of actors need not be sent. Sending them instead of actions would only pay for batches
larger than the weights, and the receiver would also need all that the sender observes.
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
    """What has to be sent, for each kappa and with central critics.

    **Arguments:**

    - `couplings`: the same at all times.
    - `levels`: the windows at which agents enter the sets of states and of actions
        ([`smallest_kappas`][mastac.structure.windows.smallest_kappas]).
    - `kappas`: ascending; the last one is at least the largest level.
    - `state_sizes`, `action_sizes`: numbers of each agent's state and action, `[agents]`.
    - `hidden`: widths of the hidden layers of an actor, for a central trainer that sends weights
        back.

    **Returns:** ready for JSON

    - `running`: what acting needs, each step.
    - `windows`: for each `kappa`, a `step` of training, with what acting needs, and a `sample` of
        an update.
    - `central_critics`: `step` and `sample` with one critic for each agent that reads everything
        and predicts the reward of the team.
    - `central_trainer`: `step` and `sample` with one further machine that learns for all, and the
        `weights`, numbers that it sends back whenever policies are updated.

    Each is `messages`, `numbers`, and `busiest`, the most numbers that one machine sends and
    receives.
    """
    observed = _Entries.of(couplings.observation, np.zeros(couplings.observation.nnz, np.int32))
    states, actions = (_Entries.of(matrix, matrix.data) for matrix in levels)
    acting = observed.load(state_sizes, kappas)
    stored = states.beyond(observed).load(state_sizes, kappas)
    acted = actions.load(action_sizes, kappas)
    either = earlier(observed.levels(), earlier(states.levels(), actions.levels()))
    partners = _Entries.of(either, either.data).counts(kappas)
    return {
        "running": _figures(observed.counts(kappas)[0], acting[:, 0]),
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
    """The agents with which one agent exchanges numbers while training, and how many.

    **Arguments:**

    - `dependency`: the sets, of couplings that are the same at all times.
    - `row`: of the agent.
    - `state_sizes`, `action_sizes`: numbers of each agent's state and action, `[agents]`.

    **Returns:** for each other `agent` the numbers from it and to it in a step (`step_from`,
    `step_to`) and for a sample (`sample_from`, `sample_to`).
    """
    couplings = dependency.couplings
    assert isinstance(couplings, Couplings)
    matrices = (couplings.observation, dependency.states, dependency.actions)
    reads = [set(matrix[[row]].indices.tolist()) for matrix in matrices]
    read_by = [set(csr_array(matrix.T)[[row]].indices.tolist()) for matrix in matrices]
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
    """Pairs of a receiver and another agent that sends to it, and from which window on."""

    receiver: np.ndarray
    sender: np.ndarray
    level: np.ndarray
    num_agents: int

    @staticmethod
    def of(matrix: csr_array, level: np.ndarray) -> _Entries:
        """The entries of a matrix, row receives from column, without its diagonal."""
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
        """The entries that `other` lacks."""
        own = self.receiver * self.num_agents + self.sender
        others = other.receiver * self.num_agents + other.sender
        new = ~np.isin(own, others)
        return _Entries(self.receiver[new], self.sender[new], self.level[new], self.num_agents)

    def counts(self, kappas: Sequence[int]) -> np.ndarray:
        """How many there are, for each kappa."""
        return np.bincount(np.searchsorted(kappas, self.level), minlength=len(kappas)).cumsum()

    def load(self, weights: np.ndarray, kappas: Sequence[int]) -> np.ndarray:
        """Numbers that each agent sends and receives, for each kappa; a sender sends `weights`."""
        place = np.searchsorted(kappas, self.level)
        cells = self.num_agents * len(kappas)
        sums = sum(
            np.bincount(side * len(kappas) + place, weights[self.sender], cells)
            for side in (self.receiver, self.sender)
        )
        return np.reshape(sums, (-1, len(kappas))).cumsum(axis=1).astype(np.int64)


def _figures(messages: int, load: np.ndarray) -> dict[str, int]:
    """The figures, given each machine's load; every number counts for sender and receiver."""
    return {"messages": int(messages), "numbers": int(load.sum()) // 2, "busiest": int(load.max())}


def _central_critics(state_sizes: np.ndarray, action_sizes: np.ndarray) -> dict[str, Any]:
    """All to all: states, actions and rewards each step, target actions for each sample.

    A critic gives its gradient to its own actor only, so no derivatives are sent; the other actions
    in that gradient are stored ones.
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
    """Every agent sends everything to one further machine, and to others what they observe."""
    number = len(state_sizes)
    per_step = state_sizes + action_sizes + 1
    load = np.append(acting + per_step, per_step.sum())
    # The matrix has a diagonal, so its entries count the messages between agents and one from each
    # agent to the trainer.
    observed = couplings.observation @ state_sizes
    widths = [observed, *hidden, action_sizes]
    weights = sum((width + 1) * following for width, following in pairwise(widths))
    return {
        "step": _figures(couplings.observation.nnz, load),
        "sample": _figures(0, np.zeros(1)),
        "weights": int(np.sum(weights * np.ones(number, np.int64))),
    }
