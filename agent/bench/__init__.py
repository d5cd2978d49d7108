"""Whole nights of several explorers on the same seeds, and what each was worth."""
