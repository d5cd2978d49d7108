"""All that keeps a config of the predecessor from being used, said at once, the decisive first."""

from __future__ import annotations

from dataclasses import dataclass, field

from state.errors import ConfigError
from state.legacy_keys import DECISIVE


@dataclass
class Faults:
    """Faults of the file ``name``, each a clause that begins with its key."""

    name: str
    told: list[tuple[int, str]] = field(default_factory=list)

    def add(self, key: str, clause: str) -> None:
        """Take the fault of ``key`` (dotted); ``clause`` says what is wrong and what would be right."""
        weight = DECISIVE.index(key) if key in DECISIVE else len(DECISIVE)
        self.told.append((weight, f"{key} {clause}"))

    def refuse(self) -> None:
        """ConfigError with all faults in one line, those that decide first; nothing where there are none."""
        if not self.told:
            return
        first, *others = [text for _, text in sorted(self.told, key=lambda fault: fault[0])]
        if not others:
            raise ConfigError(f"{self.name}: {first}")
        raise ConfigError(f"{self.name}: {len(self.told)} faults: {first}; beside this: {'; '.join(others)}")
