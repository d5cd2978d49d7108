"""The network that is simulated and to be recovered: wiring and true parameters, as plain arrays in one small file."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from state.config import ConnectomeConfig
from state.errors import ConfigError
from state.files import sha256, write_atomic
from trainer.fly import flyvis_bridge
from trainer.fly.truth import VERSION, synthesise

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Connectome:
    """N neurons, E edges sorted by (target, source). The truth: W = strength * count * sign, tau in s, V_rest.

    ``input_index`` [n_in] are the neurons that receive the stimulus (R1 to R8), ascending; ``input_column`` [n_in] is
    the hexal of the eye that each looks at, counted in ascending (u, v).
    """

    source: Ints
    target: Ints
    type_index: Ints
    type_names: tuple[str, ...]
    u: Ints
    v: Ints
    input_index: Ints
    input_column: Ints
    weight: Floats
    tau: Floats
    V_rest: Floats
    extent: int
    truth: str

    @property
    def n_neurons(self) -> int:
        """N."""
        return len(self.tau)

    @property
    def n_edges(self) -> int:
        """E."""
        return len(self.source)

    def save(self, path: Path) -> None:
        """Write everything to one .npz, atomically."""
        buffer = io.BytesIO()
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Connectome:
        """Read what `save` wrote; ConfigError when it is not there, not readable or not a connectome."""
        try:
            with np.load(path, allow_pickle=False) as file:
                values = {field.name: file[field.name] for field in fields(cls)}
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: no such connectome file; give the .npz that nightfly exported") from error
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
            raise ConfigError(f"{path}: not a connectome exported by nightfly; export it again") from error
        values["type_names"] = tuple(str(name) for name in values["type_names"])
        values["extent"], values["truth"] = int(values["extent"]), str(values["truth"])
        return cls(**values)


def load_connectome(config: ConnectomeConfig, extent: int, delta_t: float) -> Connectome:
    """The connectome a config asks for: from its file, from the cache, or built and cached.

    `auto` means the pretrained parameters where the user has them under FLYVIS_ROOT_DIR, else synthetic ones. Only
    building needs flyvis; ConfigError says what is missing.
    """
    if config.source == "file":
        return _of_extent(Connectome.load(Path(config.path)), extent, config.path)
    checkpoint = flyvis_bridge.find_pretrained() if config.source in ("auto", "pretrained") else None
    if config.source == "pretrained" and checkpoint is None:
        raise ConfigError(
            "connectome.source is pretrained but FLYVIS_ROOT_DIR holds no results/flow/0000/000; "
            "download flyvis's pretrained models there, or use source: synthetic"
        )
    key = f"synthetic-v{VERSION}-{config.seed}-{delta_t:g}"
    if checkpoint is not None:
        key = f"pretrained-{sha256(checkpoint.read_bytes())[:16]}"
    path = cache_folder() / f"connectome-{key}-extent{extent}.npz"
    if path.exists():
        return Connectome.load(path)
    built = _build(config, extent, delta_t, checkpoint)
    built.save(path)
    return built


def cache_folder() -> Path:
    """Where built connectomes and rendered videos are kept: NIGHTFLY_CACHE, or ~/.cache/nightfly."""
    given = os.environ.get("NIGHTFLY_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "nightfly"


def _of_extent(connectome: Connectome, extent: int, name: str) -> Connectome:
    if connectome.extent != extent:
        raise ConfigError(f"{name}: has extent {connectome.extent} but simulation.extent is {extent}; make them equal")
    return connectome


def _build(config: ConnectomeConfig, extent: int, delta_t: float, checkpoint: Path | None) -> Connectome:
    wiring = flyvis_bridge.build_wiring(extent)
    if checkpoint is not None:
        weight, tau, v_rest = flyvis_bridge.pretrained_parameters(wiring, checkpoint, delta_t)
        truth = "pretrained flyvis model flow/0000/000"
    else:
        weight, tau, v_rest = synthesise(wiring, config.seed, delta_t)
        truth = f"synthetic truth v{VERSION}, seed {config.seed}"
    return Connectome(
        source=wiring.source,
        target=wiring.target,
        type_index=wiring.type_index,
        type_names=wiring.type_names,
        u=wiring.u,
        v=wiring.v,
        input_index=wiring.input_index,
        input_column=wiring.input_column,
        weight=weight.astype(np.float32),
        tau=tau.astype(np.float32),
        V_rest=v_rest.astype(np.float32),
        extent=extent,
        truth=truth,
    )
