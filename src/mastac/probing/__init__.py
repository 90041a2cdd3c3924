"""Probing a simulator, and checking the declared graphs against what it does."""

from mastac.probing.checking import Check, check, miss_probability
from mastac.probing.effects import Effects, Evidence
from mastac.probing.findings import Finding
from mastac.probing.probes import probe
from mastac.probing.simulator import Simulator

__all__ = [
    "Check",
    "Effects",
    "Evidence",
    "Finding",
    "Simulator",
    "check",
    "miss_probability",
    "probe",
]
