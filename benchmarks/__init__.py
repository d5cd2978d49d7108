"""Measurements, as ratios within one run; see `benchmarks/trainer.py`."""
