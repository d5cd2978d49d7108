"""The control arm of a campaign: slots of each batch in which another explorer proposes, for comparison alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from state.policy import Policy
from state.schema import Section


class Control(Section):
    """Who proposes in the control arm, and in how many of the exploit slots of a batch."""

    explorer: Literal["rules", "random", "tpe", "gp"]
    slots: int = Field(1, ge=1, description="exploit slots of each batch after the baseline that are the control's")


def control_slots(control: Control | None, policy: Policy, n_parallel: int) -> list[int]:
    """The places of the control arm in a batch after the baseline: the last of the exploit slots."""
    if control is None:
        return []
    exploits = _exploit_slots(policy, n_parallel)
    return list(range(exploits - control.slots, exploits))


def _exploit_slots(policy: Policy, n_parallel: int) -> int:
    """How many slots the addendum's roles leave beside the replicates, while these are most."""
    return n_parallel - max(policy.min_replicates, policy.min_replicates_later, 1)


def control_fault(control: Control, policy: Policy, n_parallel: int) -> str | None:
    """Why a campaign has no place for its control arm, as a sentence; None where it has."""
    if policy.design != "roles":
        return (
            f"control: a control arm takes exploit slots, and in policy.design {policy.design} the slots of a batch "
            "are one experiment; set policy.design to roles, or remove control"
        )
    most = _exploit_slots(policy, n_parallel) - 1
    if control.slots <= most:
        return None
    room = f"lower control.slots to at most {most}" if most > 0 else "lower policy.min_replicates"
    return (
        f"control: with {n_parallel} slots (search.n_parallel), of which {n_parallel - most - 1} are replicates, "
        f"control.slots {control.slots} leaves the explorer of the night no exploit slot; {room}, or raise n_parallel"
    )
