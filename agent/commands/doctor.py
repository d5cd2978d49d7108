"""`nightfly doctor`: checks of a campaign before its night, each with a way to mend what it finds. Starts no night."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from agent.commands.checked import Checked
from agent.commands.doctor_checks import claude, clock, disk, engine, gpu, machine, notify
from agent.commands.doctor_screening import screening
from agent.commands.prepare import knobs
from agent.explorers.choose import refuse_control, refuse_hints, refuse_missing
from agent.people.steps import Step, silently
from state.campaign import Campaign, load_campaign
from state.errors import UserError
from state.explorer import SAMPLERS

Check = Callable[[Campaign, Path, Step], list[Checked]]


def explorable_keys(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """Each key that Claude may change must change the training; see `trainer.slot.knobs`."""
    findings = []
    for knob in knobs(file, step):
        key, reason = knob["key"], knob["reason"]
        if knob["alive"]:
            message = f"{key} changes the training" + (f", but {reason}" if reason else "")
            findings.append(Checked("explorable", True, message))
        else:
            mend = f"remove {key} from explorable, or change what keeps it from acting"
            findings.append(Checked("explorable", False, f"{key} changes nothing: {reason}", mend))
    return findings


def explorers(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """What samplers need, as explorer of the night or of the control arm, is installed; Claude has its own check."""
    asked = [f"explorer {campaign.explorer}"] if campaign.explorer in SAMPLERS else []
    asked += [f"hints {campaign.hints}"] if campaign.hints else []
    asked += [f"control.explorer {campaign.control.explorer}"] if campaign.control else []
    try:
        refuse_missing(campaign.explorer, f"explorer {campaign.explorer}", "claude or rules")
        refuse_hints(campaign, campaign.hints)
        refuse_control(campaign)
    except UserError as error:
        return [Checked("explorers", False, str(error), "see the sentence")]
    return [Checked("explorers", True, f"{one}: everything that it needs is installed") for one in asked]


CHECKS: tuple[Check, ...] = (gpu, explorable_keys, screening, explorers, machine, engine, disk, clock, notify)


def examine(file: Path, dry_run: bool, as_json: bool, step: Step = silently) -> int:
    """Run all checks on the campaign in ``file`` and print what each found; 1 when there is a problem, else 0."""
    campaign = load_campaign(file, lambda note: print(f"nightfly: {note}", file=sys.stderr))
    findings = []
    for check in CHECKS if dry_run else (*CHECKS, claude):
        found = check(campaign, file, step)
        findings += found
        for finding in () if as_json else found:
            _print(finding)
    ok = all(finding.ok for finding in findings)
    if as_json:
        print(json.dumps({"ok": ok, "findings": [asdict(f) for f in findings]}))
    return 0 if ok else 1


def _print(finding: Checked) -> None:
    print(f"{'ok' if finding.ok else 'PROBLEM':8}{finding.check}: {finding.message}", flush=True)
    if finding.mend:
        print(f"{'':8}mend: {finding.mend}", flush=True)
