"""`nightfly export`: one archive of a run that can be replayed on another machine; and reading one back."""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.ledger.open_run import open_run
from state.errors import RunError
from state.files import sync_folder
from state.lock import is_held
from state.paths import is_passing

SUFFIX = ".tar.gz"


def export(root: Path, out: Path | None) -> Path:
    """Pack the run in ``root`` into ``out`` (default: beside it), without checkpoints and other passing files.

    Equal runs give equal archives. RunError while a driver is at work, and when ``out`` exists.
    """
    if is_held(open_run(root).paths.lock):
        raise RunError(f"{root}: a driver is at work; export when it has ended, so that the archive is whole")
    name = root.resolve().name
    out = out or root.resolve().parent / f"{name}{SUFFIX}"
    if out.exists():
        raise RunError(f"{out}: exists already; move it away, or give another name with --out")
    _pack(root, name, out)
    return out


def _pack(root: Path, name: str, out: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=out.resolve().parent, prefix=f".{out.name}.", suffix=".tmp")
    try:
        # Without times and owners, so that the archive depends on the run alone.
        with (
            os.fdopen(handle, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink()):
                if not is_passing(path):
                    _add(archive, path, f"{name}/{path.relative_to(root)}")
        os.replace(temporary, out)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(out.resolve().parent)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = path.stat().st_size, 0o644
    with path.open("rb") as content:
        archive.addfile(entry, content)


@contextmanager
def opened(run: Path) -> Iterator[Path]:
    """The run directory itself, or an exported archive unpacked for as long as the context lasts."""
    if not run.is_file():
        yield run
        return
    with tempfile.TemporaryDirectory(prefix="nightfly-") as folder:
        try:
            with tarfile.open(run, "r:gz") as archive:
                # The filter refuses links, devices and paths that lead out of the folder.
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise RunError(f"{run}: is no run directory and no whole archive of `nightfly export` ({error})") from error
        roots = list(Path(folder).iterdir())
        if len(roots) != 1 or not roots[0].is_dir():
            raise RunError(f"{run}: is not an archive of `nightfly export` (it holds {len(roots)} top-level entries)")
        yield roots[0]
