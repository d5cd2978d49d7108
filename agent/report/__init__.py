"""The morning report: one self-contained page made from the journal, and a small server for several runs."""
