"""`nightfly doctor`: checks of a campaign before its night, each with a way to mend what it finds. Starts no night."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from agent.commands.doctor_checks import Checked, claude, clock, disk, engine, machine, notify
from agent.commands.prepare import knobs
from state.campaign import Campaign, load_campaign

Check = Callable[[Campaign, Path], list[Checked]]


def explorable_keys(campaign: Campaign, file: Path) -> list[Checked]:
    """Each key that Claude may change must change the training; see `trainer.slot.knobs`."""
    findings = []
    for knob in knobs(file):
        key, reason = knob["key"], knob["reason"]
        if knob["alive"]:
            message = f"{key} changes the training" + (f", but {reason}" if reason else "")
            findings.append(Checked("explorable", True, message))
        else:
            mend = f"remove {key} from explorable, or change what keeps it from acting"
            findings.append(Checked("explorable", False, f"{key} changes nothing: {reason}", mend))
    return findings


CHECKS: tuple[Check, ...] = (explorable_keys, machine, engine, disk, clock, notify)


def examine(file: Path, dry_run: bool, as_json: bool) -> int:
    """Run all checks on the campaign in ``file`` and print what they found; 1 when there is a problem, else 0."""
    campaign = load_campaign(file, lambda note: print(f"nightfly: {note}", file=sys.stderr))
    checks = CHECKS if dry_run else (*CHECKS, claude)
    findings = [finding for check in checks for finding in check(campaign, file)]
    if as_json:
        print(json.dumps({"ok": all(f.ok for f in findings), "findings": [asdict(f) for f in findings]}))
    else:
        for finding in findings:
            print(f"{'ok' if finding.ok else 'PROBLEM':8}{finding.check}: {finding.message}")
            if finding.mend:
                print(f"{'':8}mend: {finding.mend}")
    return 0 if all(finding.ok for finding in findings) else 1
