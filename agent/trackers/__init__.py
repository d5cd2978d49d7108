"""Experiment trackers that people already use, as guests: they are told, and never asked anything that matters."""
