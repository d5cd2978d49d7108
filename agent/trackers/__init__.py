"""Experiment trackers that people already use: they are told, and never asked anything that matters."""
