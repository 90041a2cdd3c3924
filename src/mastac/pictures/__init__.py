"""Pictures of graphs, networks and dependency sets. Imports matplotlib, never JAX."""
