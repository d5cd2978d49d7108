"""Which iteration a config file is of, by its name."""

from __future__ import annotations

import re

# The predecessor's snapshots are `iter_012_config.yaml`, a run of nightfly has `slots/0012/config.yaml`.
_FORMS = (
    re.compile(r"iter_?([0-9]{1,9})(?:[_.-].*)?\.ya?ml", re.IGNORECASE),
    re.compile(r"([0-9]{1,9})\.ya?ml", re.IGNORECASE),
    re.compile(r"([0-9]{4,9})/config\.yaml"),
)
WANTED = "iter_012_config.yaml, 12.yaml or 0012/config.yaml"


def node_of(name: str) -> int | None:
    """The iteration that the file ``name`` (from where the configs lie) is named after; None for another name."""
    match = next((match for form in _FORMS if (match := form.fullmatch(name))), None)
    return None if match is None else int(match[1])
