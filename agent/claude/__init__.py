"""Claude behind one protocol: the real one, the mocked one, and what a reply costs."""
