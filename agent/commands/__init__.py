"""The commands that belong to no other room: what each looks at, calls and prints."""
