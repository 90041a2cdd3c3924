"""A simulator as a PettingZoo `ParallelEnv`, and its tests."""
