"""Couplings read from the files in which simulators keep their networks."""
