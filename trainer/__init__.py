"""One slot: connectome, stimulus, simulation, GNN, two-stage fit, metrics; and the engines that run slots."""
