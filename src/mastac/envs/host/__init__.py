"""Simulators that are no JAX code, such as a PettingZoo `ParallelEnv`, as environments."""
