"""Agents as machines of their own, which know what they were sent and nothing else.

Every agent owns its actor, its critic and its replay. What it may be sent follows from the graphs
(`links`); it refuses the rest, and everything that is sent is counted (`messages`).
"""
