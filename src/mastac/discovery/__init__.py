"""Finding the graphs of a system: by asking its simulator, or from a log of its transitions."""

from mastac.discovery.checking import check
from mastac.discovery.discovered import Discovered
from mastac.discovery.discovering import discover
from mastac.discovery.edges import Edge, Score, Source
from mastac.discovery.log_checking import LogCheck
from mastac.discovery.logs import TransitionLog, read_log
from mastac.discovery.random_networks import random_network
from mastac.discovery.recording import record

__all__ = [
    "Discovered",
    "Edge",
    "LogCheck",
    "Score",
    "Source",
    "TransitionLog",
    "check",
    "discover",
    "random_network",
    "read_log",
    "record",
]
