"""The graphs of a system that nobody has written down: by asking its simulator, or from a log of its transitions."""

from mastac.discovery.discovered import Discovered, Edge, Score
from mastac.discovery.discovering import discover
from mastac.discovery.logs import TransitionLog, read_log
from mastac.discovery.random_networks import random_network
from mastac.discovery.recording import record

__all__ = [
    "Discovered",
    "Edge",
    "Score",
    "TransitionLog",
    "discover",
    "random_network",
    "read_log",
    "record",
]
