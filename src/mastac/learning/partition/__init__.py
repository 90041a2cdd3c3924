"""One run over many devices: each has some of the agents, with their critics, actors and replay."""
