"""The fly as the trainer knows it: wiring, true parameters, what the eye sees, and the activity that follows."""
