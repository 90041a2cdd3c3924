"""Trained policies that have left the house: one small file for each agent, and how to run it."""

from mastac.controllers.controller import Controller, Network

__all__ = ["Controller", "Network"]
