"""Policies and mixers as networks that are stacked over agents; needs JAX."""

from mastac.agents.actors import Actor, Actors, actors
from mastac.agents.mixers import Mixer, mixer
from mastac.agents.networks import MLP, each_member, glorot
from mastac.agents.stochastic import StochasticActor, StochasticActors, greedy_network

__all__ = [
    "MLP",
    "Actor",
    "Actors",
    "Mixer",
    "StochasticActor",
    "StochasticActors",
    "actors",
    "each_member",
    "glorot",
    "greedy_network",
    "mixer",
]
