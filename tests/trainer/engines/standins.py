"""Stand-ins for the commands of LSF and Slurm that run jobs at once on this machine; files in their folder steer them.

`down` silences them. Of Slurm, `blind` lets squeue answer with an empty list, `NAME.word` is what it says of a job.
"""

from __future__ import annotations

from pathlib import Path

HEAD = """#!/bin/bash
here={folder}
echo "$(basename "$0") $*" >>"$here/calls"
if [ -e "$here/down" ]; then echo "LSF is down. Please wait ..." >&2; exit 255; fi
"""
BSUB = """
while [ $# -gt 0 ]; do
    if [ "$1" = -q ] && [ "$2" = nowhere ]; then echo "nowhere: No such queue. Job not submitted." >&2; exit 255; fi
    if [ "$1" = -J ]; then name=$2; fi
    shift
done
cat >"$here/$name.sh"
if [ ! -e "$here/hold" ]; then
    setsid bash "$here/$name.sh" </dev/null >/dev/null 2>&1 &
    echo $! >"$here/$name.pid"
else
    echo 0 >"$here/$name.pid"
fi
if [ -e "$here/mute" ]; then echo "communication time out" >&2; exit 255; fi
echo "Job <1> is submitted to default queue <normal>."
"""
BJOBS = """
shopt -s nullglob
found=
for file in "$here"/*.pid; do
    found=1
    name=$(basename "$file" .pid) pid=$(cat "$file") word=EXIT
    if [ "$pid" = 0 ]; then word=PEND
    elif [ -e "/proc/$pid/stat" ] && ! grep -q ') Z' "/proc/$pid/stat"; then word=RUN; fi
    echo "$name|$word"
done
if [ -z "$found" ]; then echo "No job found" >&2; exit 255; fi
"""
BQUEUES = """
if [ "${1:-normal}" = nowhere ]; then echo "nowhere: No such queue" >&2; exit 255; fi
echo "QUEUE_NAME PRIO STATUS"
"""
BKILL = """
pid=$(cat "$here/$2.pid" 2>/dev/null) || { echo "No matching job found" >&2; exit 255; }
if [ "$pid" = 0 ]; then rm "$here/$2.pid"; else kill -TERM "$pid" 2>/dev/null; fi
exit 0
"""

SBATCH = """
for word in "$@"; do
    case $word in
        --test-only) echo "sbatch: Job 1 to start" >&2; exit 0;;
        --job-name=*) name=${word#*=};;
    esac
    script=$word
done
setsid bash "$script" </dev/null >/dev/null 2>&1 &
echo $! >"$here/$name.pid"
echo 4711
"""
SQUEUE = """
shopt -s nullglob
if [ -e "$here/blind" ]; then exit 0; fi
for file in "$here"/*.pid; do
    name=$(basename "$file" .pid) pid=$(cat "$file") word=COMPLETED
    if [ -e "$here/$name.word" ]; then word=$(cat "$here/$name.word")
    elif [ -e "/proc/$pid/stat" ] && ! grep -q ') Z' "/proc/$pid/stat"; then word=RUNNING; fi
    echo "$name|$word"
done
"""
SCANCEL = """
for word in "$@"; do
    case $word in --name=*)
        for name in $(echo "${word#--name=}" | tr , ' '); do
            kill -TERM "$(cat "$here/$name.pid")" 2>/dev/null
        done;;
    esac
done
exit 0
"""


def install_slurm(folder: Path) -> None:
    """Write Slurm's commands into ``folder``."""
    _write(folder, (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)))


def install(folder: Path) -> None:
    """Write LSF's commands into ``folder``."""
    _write(folder, (("bsub", BSUB), ("bjobs", BJOBS), ("bkill", BKILL), ("bqueues", BQUEUES)))


def _write(folder: Path, commands: tuple[tuple[str, str], ...]) -> None:
    folder.mkdir()
    for name, body in commands:
        path = folder / name
        path.write_text(HEAD.format(folder=folder) + body)
        path.chmod(0o755)


def calls(folder: Path, command: str) -> int:
    """How often ``command`` was called."""
    path = folder / "calls"
    return sum(line.startswith(command + " ") for line in path.read_text().splitlines()) if path.exists() else 0
