"""Keys and values as logs write them, held against those of the campaign's configs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from agent.audit.values import Value, canonical
from state.campaign import Campaign
from state.config import DERIVED_KEYS, PLACE_KEYS, SEED_KEYS, Scalar
from state.explorable import PROTECTED
from state.legacy_keys import RENAMED

# How logs call the seeds, which are no part of a config.
SEED_NAMES = frozenset({"seed", "sim_seed", "train_seed", "simulation_seed", "training_seed", *SEED_KEYS})
# Of training and graph_model what says how a run is looked at or computed, not what is trained.
_MEASURED = frozenset(
    {
        "training.n_metric_points",
        "training.penalty_stride",
        "training.cluster_features",
        "training.matmul",
        "graph_model.backend",
        *PLACE_KEYS,
        *SEED_KEYS,
    }
)


def is_campaigns(key: str) -> bool:
    """Whether the campaign says what ``key`` (dotted) is, whatever was imported: data, truth, seeds, place, measure."""
    return key in _MEASURED or not key.startswith(("training.", "graph_model."))


def names_of(base: Mapping[str, Scalar]) -> dict[str, str]:
    """The one name that the reader of logs gives a key -> its dotted key; also under the predecessor's names."""
    skipped = (*SEED_KEYS, *PLACE_KEYS, *DERIVED_KEYS)
    names = {canonical(key.rpartition(".")[2]): key for key in base if key not in skipped}
    for section, table in RENAMED.items():
        for old, new in table.items():
            names.setdefault(canonical(old), f"{section}.{new}")
    return names


def same_value(told: Value, held: Scalar) -> bool:
    """Whether a value as a log writes it is that of a config."""
    if isinstance(told, bool) or isinstance(held, bool):
        return told is held
    if isinstance(told, str) or isinstance(held, str):
        return str(told).casefold() == str(held).casefold()
    return math.isclose(told, held, rel_tol=1e-9, abs_tol=1e-300)


def as_config(told: Value, example: Scalar) -> Scalar:
    """``told`` in the type of ``example``, as far as it has one of its values; the schema judges the rest."""
    if isinstance(told, float) and isinstance(example, int) and not isinstance(example, bool) and told.is_integer():
        return int(told)
    return told


def why_not(key: str, value: Scalar, campaign: Campaign) -> str | None:
    """Why no proposal of the campaign could have come to ``value`` for ``key``; None when one could."""
    rule = campaign.explorable.get(key)
    if rule is not None:
        return None if rule.allows(value) else f"allowed: {rule.allowed()}"
    held = campaign.base_config().flat()[key]
    return f"{'protected' if key in PROTECTED else 'not explorable'}, {held} in the campaign"
