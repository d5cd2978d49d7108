"""What a run says so far: facts folded from its journal, and what follows from them. Writes nothing."""
