"""Engines that run slots; each keeps the contract of `trainer.dispatch`."""
