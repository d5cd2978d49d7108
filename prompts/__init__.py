"""What Claude reads: Jinja templates and the code that fills them."""
