"""The only door to flyvis: its wiring and its pretrained parameters. Its side effects at import are undone here."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.errors import ConfigError
from trainer.fly.wiring import Wiring, column_of

CONNECTOME_FILE = "fib25-fib19_v2.2.json"
# From this extent on, the network contains every (source type, target type, du, dv) of the pretrained parameters.
COMPLETE_EXTENT = 5
CHECKPOINTS = (
    "results/flow/0000/000/best_chkpt",
    "results/flow/0000/000/chkpts/chkpt_00000",
    "flow/0000/000/best_chkpt",
)

Floats = NDArray[np.float64]


def find_pretrained() -> Path | None:
    """The checkpoint of flow/0000/000 under FLYVIS_ROOT_DIR, if the user has it."""
    root = os.environ.get("FLYVIS_ROOT_DIR")
    candidates = [Path(root).expanduser() / name for name in CHECKPOINTS] if root else []
    return next((path for path in candidates if path.is_file()), None)


@contextmanager
def flyvis_module() -> Iterator[ModuleType]:
    """flyvis, with its working files in a temporary folder; on leaving, the process is as it was before.

    flyvis sets torch's default device, matplotlib's defaults, the root logger and its clock, and environment variables
    from a `.env` file, and writes below FLYVIS_ROOT_DIR.
    """
    import matplotlib as mpl
    import torch

    environment, device = dict(os.environ), torch.get_default_device()
    handlers, level, clock = list(logging.root.handlers), logging.root.level, logging.Formatter.converter
    with tempfile.TemporaryDirectory(prefix="nightfly-") as folder, mpl.rc_context():
        os.environ["FLYVIS_ROOT_DIR"] = folder
        try:
            yield _import(Path(folder))
        finally:
            torch.set_default_device(device)
            logging.root.handlers[:], logging.Formatter.converter = handlers, clock
            logging.root.setLevel(level)
            os.environ.clear()
            os.environ.update(environment)


def _import(folder: Path) -> ModuleType:
    try:
        import datamate
        import flyvis
    except ImportError as error:
        raise ConfigError(
            f"flyvis cannot be imported ({error}); install it, or use connectome.source: file with an exported one"
        ) from error
    # flyvis is imported once a process and keeps the folder of its first use.
    datamate.set_root_dir(folder)
    module: ModuleType = flyvis
    return module


def build_wiring(extent: int) -> Wiring:
    """flyvis's connectome at ``extent``: wiring, synapse counts and signs."""
    with flyvis_module():
        from flyvis.connectome.connectome import ConnectomeFromAvgFilters

        raw = ConnectomeFromAvgFilters({"file": CONNECTOME_FILE, "extent": extent, "n_syn_fill": 1})
        return _read(raw, extent)


def _read(raw: Any, extent: int) -> Wiring:
    names = tuple(_text(raw.unique_cell_types[:]))
    number = {name: index for index, name in enumerate(names)}
    types = np.array([number[name] for name in _text(raw.nodes["type"][:])], dtype=np.int32)
    u, v = (np.asarray(raw.nodes[key][:], dtype=np.int32) for key in ("u", "v"))
    source, target = (np.asarray(raw.edges[key][:], dtype=np.int32) for key in ("source_index", "target_index"))
    order = np.lexsort((source, target))
    inputs = np.flatnonzero(np.isin(types, [number[name] for name in _text(raw.input_cell_types[:])])).astype(np.int32)
    edge = {key: np.asarray(raw.edges[key][:])[order] for key in ("n_syn", "sign", "du", "dv")}
    return Wiring(
        source=source[order],
        target=target[order],
        count=edge["n_syn"].astype(np.float64),
        sign=edge["sign"].astype(np.float64),
        du=edge["du"].astype(np.int32),
        dv=edge["dv"].astype(np.int32),
        type_index=types,
        type_names=names,
        u=u,
        v=v,
        input_index=inputs,
        input_column=column_of(u[inputs], v[inputs], extent),
        extent=extent,
    )


def _text(values: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def pretrained_parameters(wiring: Wiring, checkpoint: Path, delta_t: float) -> tuple[Floats, Floats, Floats]:
    """W [E], tau [N], V_rest [N] of the pretrained model, mapped to ``wiring``.

    tau below delta_t is raised to it, as flyvis itself does: a faster neuron would overshoot in one Euler step.
    """
    extent = max(wiring.extent, COMPLETE_EXTENT)
    weights, tau_of_type, rest_of_type = _pretrained_tables(extent, checkpoint)
    pair = wiring.pair
    keys = zip(pair.tolist(), wiring.du.tolist(), wiring.dv.tolist(), strict=True)
    weight = np.array([weights[key] for key in keys])
    return weight, np.maximum(tau_of_type, delta_t)[wiring.type_index], rest_of_type[wiring.type_index]


def _pretrained_tables(extent: int, checkpoint: Path) -> tuple[dict[tuple[int, int, int], float], Floats, Floats]:
    """Weight of each (type pair, du, dv), and tau and V_rest of each type, from a network that loads the checkpoint."""
    import torch

    with flyvis_module() as flyvis:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)["network"]
        connectome = {"type": "ConnectomeFromAvgFilters", "file": CONNECTOME_FILE, "extent": extent, "n_syn_fill": 1}
        network = flyvis.Network(connectome=connectome)
        network.load_state_dict(state)
        full = _read(network.connectome, extent)
        parameters = network._param_api()
        edges, nodes = parameters.edges, parameters.nodes
        strengths = (edges.sign * edges.syn_count * edges.syn_strength).detach().cpu().double().numpy()
        raw_source, raw_target = (np.asarray(network.connectome.edges[k][:]) for k in ("source_index", "target_index"))
        strengths = strengths[np.lexsort((raw_source, raw_target))]
        keys = zip(full.pair.tolist(), full.du.tolist(), full.dv.tolist(), strict=True)
        first = np.unique(full.type_index, return_index=True)[1]
        tau, rest = (getattr(nodes, name).detach().cpu().double().numpy()[first] for name in ("time_const", "bias"))
        return dict(zip(keys, strengths.tolist(), strict=True)), tau, rest
