"""What another program began: its log, memory and configs, read as the first nodes of a run."""
