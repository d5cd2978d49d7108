"""What Claude reads: Jinja templates and the code that fills them. Knows no torch."""
