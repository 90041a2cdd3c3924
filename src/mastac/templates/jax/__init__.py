"""An environment in JAX, and its tests."""
