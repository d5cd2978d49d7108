"""`nightfly init`: a commented campaign for this machine, from the full-size one. Imports neither torch nor flyvis."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

import typer

from state.campaign import Campaign
from state.errors import UserError
from state.evening import Budget
from state.files import parse_yaml
from state.schema import validate
from trainer.engines.factory import find_gpus, usable_cores

MODEL = Path(__file__).resolve().parents[2] / "campaigns" / "flyvis_62_1_gs_alternate.yaml"
# Where the trained fly lies below flyvis's folder, and the videos below that of DAVIS.
PRETRAINED = Path("results") / "flow" / "0000" / "000"
VIDEOS = Path("JPEGImages") / "480p"


def write_campaign(file: Path, finish_by: str | None, dollars: float | None) -> None:
    """Write the campaign to ``file`` and say what was found; UserError when the file is there, or cannot be."""
    if file.exists():
        raise UserError(f"{file}: is already there and is never overwritten; give another name")
    if not MODEL.is_file():
        raise UserError(f"{MODEL}: is not there; nightfly init needs the campaigns that come with the program's source")
    finish_by, dollars = _asked(finish_by, dollars)
    text = campaign_text(file, finish_by, dollars)
    validate(Campaign, parse_yaml(text, str(file)), str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as out:
        out.write(text)
    for line in (gpu_line(), videos_line(), fly_line(), f"ends by {finish_by}; Claude may cost ${dollars:g}"):
        print(line)
    print(f"{file} is written. Next: nightfly doctor {file}")


def campaign_text(file: Path, finish_by: str, dollars: float) -> str:
    """The full-size campaign with the name of ``file``, what is here in its comments, and the budget."""
    validate(Budget, {"finish_by": finish_by, "max_dollars": dollars}, "budget")
    head = [
        f"# Written by `nightfly init` for this machine, from {MODEL.name}; docs/campaign.md explains every section.",
        f"# {gpu_line()}",
        f"# {videos_line()}",
        f"# {fly_line()}",
    ]
    _, _, body = MODEL.read_text(encoding="utf-8").partition("\nname: ")
    text = "\n".join(head) + "\nname: " + body
    budget = f'budget: {{finish_by: "{finish_by}", max_dollars: {dollars:g}}}'
    for pattern, line in ((r"^name: .*$", f"name: {file.stem}"), (r"^budget: .*$", budget)):
        text, found = re.subn(pattern, lambda _, line=line: line, text, flags=re.MULTILINE)  # type: ignore[misc]
        assert found == 1, pattern
    return text


def gpu_line() -> str:
    """Where slots will run."""
    gpus = find_gpus()
    if gpus:
        return f"GPUs: {len(gpus)} found ({', '.join(gpus)}); one slot on each."
    queue = "; Slurm is here, and docs/cluster.md says how to use it" if shutil.which("sbatch") else ""
    return f"GPUs: none found; a run asks before it takes the {usable_cores()} CPU cores (--on-cpu){queue}."


def videos_line() -> str:
    """Which videos the flies will see."""
    named = os.environ.get("DATAVIS_ROOT")
    if named and (Path(named).expanduser() / VIDEOS).is_dir():
        return f"Videos: DAVIS in {named} (DATAVIS_ROOT)."
    for root in filter(None, [_flyvis_folder()]):
        for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
            if (folder / VIDEOS).is_dir():
                return f"Videos: DAVIS lies in {folder}; export DATAVIS_ROOT={folder} to use it."
    return f"Videos: no DAVIS found, so two bundled photographs in motion; set DATAVIS_ROOT to the folder of {VIDEOS}."


def fly_line() -> str:
    """Which ground truth will be simulated."""
    folder = _flyvis_folder()
    if folder is None or not (folder / PRETRAINED).is_dir():
        return (
            f"Fly: no pretrained model found, so a synthetic truth; set FLYVIS_ROOT_DIR to the folder of {PRETRAINED}."
        )
    if os.environ.get("FLYVIS_ROOT_DIR"):
        return f"Fly: pretrained, {PRETRAINED} in {folder} (FLYVIS_ROOT_DIR)."
    return f"Fly: a pretrained model lies in {folder}; export FLYVIS_ROOT_DIR={folder} to use it."


def _flyvis_folder() -> Path | None:
    """flyvis's data folder: FLYVIS_ROOT_DIR, else the one inside the installed package; None without either."""
    if named := os.environ.get("FLYVIS_ROOT_DIR"):
        folder = Path(named).expanduser()
    else:
        spec = importlib.util.find_spec("flyvis")
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent / "data"
    return folder if folder.is_dir() else None


def _asked(finish_by: str | None, dollars: float | None) -> tuple[str, float]:
    """The budget as given, else asked for in a terminal, else that of the full-size campaign."""
    known = parse_yaml(MODEL.read_text(encoding="utf-8"), str(MODEL))["budget"]
    ask = sys.stdin.isatty() and sys.stderr.isatty()
    if finish_by is None:
        default = str(known["finish_by"])
        finish_by = typer.prompt("End of the night (HH:MM)", default, err=True) if ask else default
    if dollars is None:
        default_dollars = float(known["max_dollars"])
        prompt = "What Claude may cost in all (dollars)"
        dollars = typer.prompt(prompt, default_dollars, type=float, err=True) if ask else default_dollars
    return str(finish_by), float(dollars)
