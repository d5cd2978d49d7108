"""`python -m agent.cli` is `nightfly`."""

from agent.cli import main

if __name__ == "__main__":
    main()
