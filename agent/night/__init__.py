"""The loop and its steps, and the one open run that they write to."""
