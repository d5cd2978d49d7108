"""The graph network that is to recover the fly, with hand-written passes."""
