"""Which explorable keys of a campaign change the training at all.

`python -m trainer.slot.knobs CAMPAIGN` prints one JSON list, from the cache when neither campaign nor trainer changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from state.campaign import Campaign, load_campaign
from state.config import Scalar, SlotConfig
from state.errors import ConfigError, NightflyError
from state.explorable import Explorable
from trainer.engines.surrogate import distance
from trainer.slot.remembered import remembered

Probe = Callable[[SlotConfig], Hashable]

OTHER_STARTS = 8
PARTS = ("W", "g_phi_weight", "f_theta_weight")
L1_L2 = tuple(f"training.coeff_{part}_{kind}" for part in PARTS for kind in ("L1", "L2"))


@dataclass(frozen=True)
class Knob:
    """One explorable key. ``reason``: why it is dead, or beside which other key it comes to life."""

    key: str
    alive: bool
    reason: str = ""


def check(campaign: Campaign, probe: Probe) -> list[Knob]:
    """Every explorable key, changed from its default to its other values until ``probe`` answers differently.

    A key that stays without effect gets a second chance from other training seeds, and a third one beside each other
    explorable key at another value.
    """
    base = campaign.base_config()
    others = {key: _others(rule, base.flat()[key]) for key, rule in campaign.explorable.items()}
    start = probe(base)
    awake = {key: any(probe(config) != start for config in _variants(base, key, others[key])) for key in others}
    return [Knob(key, True) if alive else _second_chance(key, base, others, probe) for key, alive in awake.items()]


def _second_chance(key: str, base: SlotConfig, others: dict[str, list[Scalar]], probe: Probe) -> Knob:
    if not others[key]:
        return Knob(key, False, "it may take one value only, its default")
    if _alive_elsewhere(key, base, others[key], probe):
        return Knob(key, True)
    for partner in others:
        for start in _variants(base, partner, others[partner]) if partner != key else ():
            if any(probe(config) != probe(start) for config in _variants(start, key, others[key][:1])):
                return Knob(key, True, f"only together with another value of {partner}: {why_dead(key, base)}")
    return Knob(key, False, why_dead(key, base))


def _alive_elsewhere(key: str, base: SlotConfig, values: list[Scalar], probe: Probe) -> bool:
    """Whether ``key`` acts from another start: a hinge such as coeff_g_phi_diff is 0 while messages happen to be
    monotone, and in a short training of few neurons that can be all the way."""
    seeds = (base.training.seed + step for step in range(1, OTHER_STARTS + 1))
    starts = (base.replaced({"training.seed": seed % 2**31}) for seed in seeds)
    return any(probe(config) != probe(start) for start in starts for config in _variants(start, key, values[:1]))


def _others(rule: Explorable, default: Scalar) -> list[Scalar]:
    """Allowed values besides the default, the farthest first."""
    values: list[Any] = rule.choices if rule.choices is not None else [rule.min, rule.max]
    different = [value for value in dict.fromkeys(values) if value != default]
    numbers = not any(isinstance(value, str) for value in [default, *different])
    return sorted(different, key=lambda v: -abs(v - default)) if numbers else different  # type: ignore[operator]


def _variants(base: SlotConfig, key: str, values: list[Scalar]) -> list[SlotConfig]:
    """``base`` with ``key`` at each of ``values``; values that do not fit the rest of ``base`` are left out."""
    configs = []
    whole = isinstance(base.flat()[key], int)
    for value in values:
        value = int(value) if whole and isinstance(value, float) else value
        try:
            configs.append(base.replaced({key: value}))
        except ConfigError:
            continue
    return configs


def why_dead(key: str, config: SlotConfig) -> str:
    """The reason in words, as far as the config tells."""
    t, flat = config.training, config.flat()
    if key.startswith("training.alternate_") and not t.alternate_training:
        return "training.alternate_training is false"
    if key == "training.alternate_lr_ratio" and t.alternate_joint_ratio == 1.0:
        return "training.alternate_joint_ratio is 1, which leaves no V_rest phase"
    if key == "training.regul_annealing_rate" and not any(flat[name] for name in L1_L2):
        return "all six L1 and L2 coefficients that it scales are 0"
    if key in (*L1_L2, "training.regul_annealing_rate") and t.n_epochs == 1 and t.annealing == "epoch":
        return (
            "annealing by whole epochs keeps L1 and L2 at 0 in the first epoch, and there is no other; set "
            "training.n_epochs to 2 or more, training.annealing to continuous, or training.regul_annealing_rate to 0"
        )
    if key == "training.coeff_W_L2" and t.coeff_W_L1 > 0 and t.W_L2_beside_L1 == "skipped":
        return (
            "coeff_W_L2 is skipped while coeff_W_L1 is on, as in the predecessor; set training.W_L2_beside_L1 to added"
        )
    if key == "training.adam_restart" and (t.alternate_training or t.n_epochs == 1):
        return "Adam begins anew at later epochs of standard training only"
    if key.startswith("training.lr_scheduler_"):
        return f"training.lr_scheduler is {t.lr_scheduler}, and that takes no notice of it in a training of this length"
    if key == "training.w_init_scale" and t.w_init_mode == "zeros":
        return "training.w_init_mode is zeros"
    return "training comes out the same to the last bit"


def knobs_of(campaign: Campaign) -> list[Knob]:
    """`check` by a short training of a tiny network, or on the response surface of a surrogate campaign."""
    if campaign.trainer == "surrogate":
        return check(campaign, distance)
    # Imported here: a cached answer and a surrogate need no torch.
    from trainer.slot.probe import Bench

    return check(campaign, Bench(campaign.base_config()))


def cached_knobs_of(campaign: Campaign, folder: Path) -> list[Knob]:
    """`knobs_of`, remembered in ``folder`` under the campaign's identity."""
    told = remembered(folder, "knobs", campaign.identity(), lambda: [asdict(knob) for knob in knobs_of(campaign)])
    return [Knob(**entry) for entry in told]


def main(arguments: list[str]) -> int:
    """The command line: 0 when the check could be made, 2 and one sentence on stderr when not."""
    from trainer.fly.connectome import cache_folder

    try:
        knobs = cached_knobs_of(load_campaign(Path(arguments[0])), cache_folder())
    except NightflyError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps([asdict(knob) for knob in knobs]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
