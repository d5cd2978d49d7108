"""A slot's own process: `python -m trainer.slot DIR`, and what is tried out before a night."""
