"""Declared graphs that are not those of the simulator."""

import dataclasses

import numpy as np
from scipy.sparse import csr_array

import mastac

ADDED = 10  # superfluous edges
LOGGED = 200  # random episodes in which graphs are looked for


def one_edge_less(env: mastac.Environment) -> mastac.Environment:
    """The same simulator, declared without one edge of its state graph: the middle one of all."""
    state = _couplings(env).state.toarray()
    targets, sources = np.nonzero(state & ~np.eye(len(state), dtype=bool))
    middle = len(targets) // 2
    state[targets[middle], sources[middle]] = False
    return _with_graphs(env, state=csr_array(state))


def ten_edges_more(env: mastac.Environment) -> mastac.Environment:
    """The same simulator, declared with ten state edges, drawn once, that it has not."""
    state = _couplings(env).state.toarray()
    free = np.argwhere(~state)
    targets, sources = np.random.default_rng(0).permutation(free)[:ADDED].T
    state[targets, sources] = True
    return _with_graphs(env, state=csr_array(state))


def discovered(env: mastac.Environment) -> mastac.Environment:
    """The same simulator, with the graphs found in a log of its random episodes.

    Who observes whom stays as it is: that is decided, not found.
    """
    log = mastac.record(env, episodes=LOGGED)
    found = mastac.discover(log).couplings()
    names = ("state", "action", "reward", "reward_action")
    return _with_graphs(env, **{name: getattr(found, name) for name in names})


def _couplings(env: mastac.Environment) -> mastac.Couplings:
    assert isinstance(env.couplings, mastac.Couplings)
    return env.couplings


def _with_graphs(env: mastac.Environment, **graphs: csr_array) -> mastac.Environment:
    return dataclasses.replace(env, couplings=_couplings(env).with_graphs(**graphs))
