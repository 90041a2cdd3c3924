"""Learning through a model of the dynamics: units, fitting, imagined episodes, climbing."""
