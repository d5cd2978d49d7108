"""`python -m trainer.slot DIR`: under this name a later driver finds the workers that still live."""

from __future__ import annotations

import sys

from trainer.slot.worker import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
