"""The loop: ask Claude, check the reply, commit, dispatch; and the command line."""
