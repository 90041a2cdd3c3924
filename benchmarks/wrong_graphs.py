"""Environments that are declared with other state graphs than they have."""

import dataclasses

import numpy as np
from scipy.sparse import csr_array

import mastac

ADDED = 10  # superfluous edges


def one_edge_less(env: mastac.Environment) -> mastac.Environment:
    """The same simulator, declared without one edge of its state graph: the middle one of all."""
    state = _couplings(env).state.toarray()
    targets, sources = np.nonzero(state & ~np.eye(len(state), dtype=bool))
    middle = len(targets) // 2
    state[targets[middle], sources[middle]] = False
    return _with_state(env, state)


def ten_edges_more(env: mastac.Environment) -> mastac.Environment:
    """The same simulator, declared with ten state edges, drawn once, that it has not."""
    state = _couplings(env).state.toarray()
    free = np.argwhere(~state)
    targets, sources = np.random.default_rng(0).permutation(free)[:ADDED].T
    state[targets, sources] = True
    return _with_state(env, state)


def _couplings(env: mastac.Environment) -> mastac.Couplings:
    assert isinstance(env.couplings, mastac.Couplings)
    return env.couplings


def _with_state(env: mastac.Environment, state: np.ndarray) -> mastac.Environment:
    changed = _couplings(env).with_graphs(state=csr_array(state))
    return dataclasses.replace(env, couplings=changed)
