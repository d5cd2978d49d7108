"""Where the predecessor's own program did other than its config says: told at load, and done likewise with
`compat: predecessor`."""

from __future__ import annotations

from typing import Any

from state.legacy_faults import Faults

COMPAT = "predecessor"
# Written over those of `training` in every slot, before each training.
OVERRIDDEN = ("n_epochs", "data_augmentation_loop")
_ANNEALED = (
    "coeff_W_L1",
    "coeff_W_L2",
    "coeff_g_phi_weight_L1",
    "coeff_g_phi_weight_L2",
    "coeff_f_theta_weight_L1",
    "coeff_f_theta_weight_L2",
)


def apply_compat(
    tree: dict[str, Any], name: str, keep: tuple[str, ...], notes: list[str], faults: Faults
) -> dict[str, Any]:
    """``tree`` without its key `compat`; where that is `predecessor`, with what its program would have trained.

    In a campaign (``keep``) the section `claude` is nightfly's own and overrides nothing.
    """
    wanted, tree = tree.get("compat"), {key: value for key, value in tree.items() if key != "compat"}
    if wanted is None:
        return tree
    if wanted != COMPAT:
        faults.add("compat", f"is {str(wanted)[:80]!r}; give {COMPAT}, or leave it out")
        return tree
    training = dict(_section(tree, "training"))
    if not keep:
        for key, value in _overrides(tree).items():
            notes.append(f"{name}: compat: training.{key} is {str(value)[:40]}, from the section claude")
            training[key] = value
    if training.get("alternate_training") and training.get("n_epochs", 20) == 1:
        notes.append(f"{name}: compat: one epoch of alternate training is standard training, all rates in full")
        training["alternate_training"] = False
    return tree | {"training": training}


def notes_of(tree: dict[str, Any], read: dict[str, Any], name: str, keep: tuple[str, ...]) -> list[str]:
    """Where the training of ``read``, the translation of ``tree``, is another than that program ran, or surprises."""
    told: list[str] = []
    training = read.get("training", {})
    for key, value in _overrides({} if keep else tree).items():
        own, other = training.get(key), str(value)[:40]
        if value != own:
            told.append(
                f"{name}: claude.{key} {other} was written over training.{key} {own} before each training by the "
                f"predecessor; trained here with {own}, or with {other} under `compat: {COMPAT}`"
            )
    return told + _annealing(training, name) + _alternation(training, name)


def _annealing(training: dict[str, Any], name: str) -> list[str]:
    """One epoch of annealed penalties is none."""
    acting = [key for key in _ANNEALED if training.get(key)]
    if training.get("n_epochs") != 1 or not training.get("regul_annealing_rate") or not acting:
        return []
    rate, words = training["regul_annealing_rate"], ", ".join(acting)
    if training.get("annealing", "epoch") == "epoch":
        return [
            f"{name}: {words} are exactly 0 in the first epoch (regul_annealing_rate {rate}), and there is no other; "
            "here as in the predecessor"
        ]
    return [f"{name}: {words} act from the start (annealing: continuous); in the predecessor they were exactly 0"]


def _alternation(training: dict[str, Any], name: str) -> list[str]:
    if not training.get("alternate_training"):
        return []
    return [
        f"{name}: the predecessor's published trainer passes over alternate_joint_ratio and scales all learning rates "
        "by alternate_lr_ratio from the second epoch on; here each epoch has a joint and a V_rest phase"
        + (f"; `compat: {COMPAT}` trains one epoch as it did" if training.get("n_epochs") == 1 else "")
    ]


def _overrides(tree: dict[str, Any]) -> dict[str, Any]:
    claude = _section(tree, "claude")
    return {key: claude[key] for key in OVERRIDDEN if key in claude}


def _section(tree: dict[str, Any], key: str) -> dict[str, Any]:
    part = tree.get(key)
    return part if isinstance(part, dict) else {}
