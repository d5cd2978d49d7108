"""Whole files appear at once or not at all; YAML and JSON are read strictly."""

from __future__ import annotations

import hashlib
import json
import os
import re
import textwrap
import time
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from state.errors import ConfigError
from state.yaml_bombs import LARGEST, refuse_bomb


def sha256(data: bytes) -> str:
    """Hex digest of ``data``."""
    return hashlib.sha256(data).hexdigest()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the one form that is hashed."""
    return _CANONICAL.encode(value)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write ``data`` to ``path`` through a temporary file, fsync and rename; readers see old or new, never half."""
    content = data.encode("utf-8") if isinstance(data, str) else data
    folder, name = os.path.split(path)
    handle, temporary = _temporary(folder, name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(folder or ".")


_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def _temporary(folder: str, name: str) -> tuple[int, str]:
    """A new file in ``folder``, which is made if need be, under a name that costs less than a random one."""
    while True:
        temporary = os.path.join(folder, f".{name}.{os.getpid()}-{time.monotonic_ns():x}.tmp")
        try:
            return os.open(temporary, _NEW_FILE, 0o600), temporary
        except FileExistsError:
            continue
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)


def keep_aside(path: Path, content: bytes) -> Path:
    """Keep ``content``, which somebody else wrote to ``path``, beside it; returns where."""
    aside = path.with_name(f"{path.name}.changed-{time.strftime('%Y%m%dT%H%M%S')}")
    write_atomic(aside, content)
    return aside


def remove_half_written(folder: Path, keep: str = "") -> None:
    """Remove what `write_atomic` left in ``folder`` when its process was killed; files of ``keep`` may be in work."""
    for path in folder.glob(".*.tmp"):
        if not keep or not path.name.startswith(f".{keep}."):
            path.unlink(missing_ok=True)


def sync_folder(folder: Path | str) -> None:
    """Make a rename or a new name in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# libyaml's parser and emitter where PyYAML was built with them: several times faster, same result.
_FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FastDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _StrictLoader(_FastLoader):  # type: ignore[misc]
    """SafeLoader that refuses duplicate keys and reads 1e-3 as a number, as YAML 1.2 does."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys: dict[Any, None] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key is a list or mapping", key_node.start_mark)
        if key in keys:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} appears twice", key_node.start_mark)
        keys[key] = None
    if any(key_node.tag in _SPECIAL_KEYS for key_node, _ in node.value):
        mapping: dict[Any, Any] = _FastLoader.construct_mapping(loader, node, deep=True)
        return mapping
    return {key: loader.construct_object(item, deep=True) for key, (_, item) in zip(keys, node.value, strict=True)}


# `<<` and `=`, which PyYAML gives a meaning.
_SPECIAL_KEYS = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")


_EXPONENT = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789."))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; ConfigError names file, line and what is wrong."""
    try:
        if path.stat().st_size > 4 * LARGEST:
            raise ConfigError(f"{path}: has {path.stat().st_size:,} bytes, far more than a config; give another file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({_reason(error)}); give the path of a YAML file") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """Parse a YAML mapping; ``name`` stands for the file in errors."""
    try:
        refuse_bomb(text, name)
        value = yaml.load(text, Loader=_StrictLoader)
    except (ValueError, OverflowError, RecursionError) as error:
        # A number of thousands of digits, a date that is none.
        words = " ".join(str(error).split())[:120]
        raise ConfigError(f"{name}: holds a value that cannot be read ({words}); correct or quote it") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{name}{where}: not readable as YAML ({problem})") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: holds {type(value).__name__}, expected `key: value` lines")
    return value


def dump_yaml(value: dict[str, Any]) -> str:
    """YAML in the given key order; floats keep every digit."""
    return "".join(_dump_item(key, item, "") for key, item in value.items()) or "{}\n"


def _dump_item(key: str, item: Any, indent: str) -> str:
    """One `key: value`. Scalars, nearly all of a config, come from a cache: PyYAML takes 1 ms for a whole config."""
    if isinstance(item, dict) and item:
        return f"{indent}{key}:\n" + "".join(_dump_item(name, part, indent + "  ") for name, part in item.items())
    if type(item) is int:
        # Every seed is new: caching its line would only fill the cache.
        before = _dump_scalar(key, "int", 0).removesuffix("0\n")
        return f"{indent}{before}{item}\n"
    if isinstance(item, bool | int | float) or (isinstance(item, str) and len(item) < 60):
        return f"{indent}{_dump_scalar(key, type(item).__name__, item)}"
    return textwrap.indent(_dump({key: item}), indent)


@lru_cache(maxsize=4096, typed=True)
def _dump_scalar(key: str, kind: str, item: Any) -> str:
    return _dump({key: item})


def _dump(value: dict[str, Any]) -> str:
    text: str = yaml.dump(
        value, Dumper=_FastDumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110
    )
    return text


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is not UTF-8 text"
