"""Tells people what they want to be woken for, by webhook and by command. A failing notifier never hurts the night."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from agent.ledger.gains import gain_lines
from agent.ledger.ledger import Ledger
from state.errors import ConfigError
from state.evening import Event, Notify
from state.journal import Record
from state.shapes import ClaudeAwaited, ReplyAccepted, SlotEnded, SlotStarted, Stopped, why_useless
from ucb.trial import render_trial

Say = Callable[[str], None]


class Notifier:
    """Sends one message in a thread of its own; what goes wrong is said on the display, once a channel."""

    def __init__(self, config: Notify, campaign: str, say: Say) -> None:
        self._config, self._campaign, self._say = config, campaign, say
        self._told: set[str] = set()
        self._threads: list[threading.Thread] = []

    def send(self, event: Event, text: str, head: str | None = None) -> None:
        """Send ``text`` if the campaign wants to hear of ``event``; ``head`` is that of the journal, an anchor."""
        if event not in self._config.events or (self._config.webhook_env is None and not self._config.command):
            return
        anchor = f" [journal head {head}]" if head else ""
        message = {"campaign": self._campaign, "event": event, "text": f"nightfly {self._campaign}: {text}{anchor}"}
        thread = threading.Thread(target=self._deliver, args=(message,), daemon=True)
        self._threads = [running for running in self._threads if running.is_alive()] + [thread]
        thread.start()

    def wait(self) -> None:
        """Give the last messages their time before the program ends."""
        for thread in self._threads:
            thread.join(self._config.timeout_s + 1)

    def _deliver(self, message: dict[str, str]) -> None:
        if self._config.webhook_env is not None:
            self._try("webhook", lambda: self._post(message))
        if self._config.command:
            self._try("command", lambda: self._run(message))

    def _try(self, channel: str, deliver: Callable[[], None]) -> None:
        try:
            deliver()
        # A webhook may answer with anything, and this thread has nobody else who would tell.
        except Exception as error:  # noqa: BLE001
            # The error's text may hold the address, which is a secret.
            if channel not in self._told:
                self._told.add(channel)
                self._say(f"notify: the {channel} failed ({type(error).__name__}); the night goes on")

    def _post(self, message: dict[str, str]) -> None:
        address = os.environ[str(self._config.webhook_env)]
        body = json.dumps(message).encode()
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=self._config.timeout_s) as answer:
            answer.read(1)

    def _run(self, message: dict[str, str]) -> None:
        told = {f"NIGHTFLY_{key.upper()}": value for key, value in message.items()}
        subprocess.run(
            self._config.command,
            input=json.dumps(message),
            text=True,
            env=os.environ | told,
            timeout=self._config.timeout_s,
            check=True,
            capture_output=True,
        )


def check_notify(config: Notify) -> None:
    """ConfigError when the webhook's environment variable is not set or no web address: told before the night."""
    name = config.webhook_env
    if name is None:
        return
    if not _is_address(os.environ.get(name, "")):
        raise ConfigError(
            f"notify.webhook_env: the environment variable {name} holds no web address (http or https, a host, no "
            "spaces, a port that is a number); export it, or remove the key"
        )


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Asking for the port reads it.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and _is_plain(text)
    except ValueError:
        return False


def _is_plain(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


class Alarms:
    """Looks at each new record and decides who should hear of it."""

    def __init__(self, ledger: Ledger, notifier: Notifier, say: Say = lambda text: None) -> None:
        self._ledger, self._notifier, self._say = ledger, notifier, say
        self._best = self._confirmed_best()
        self._failed_in_a_row = 0
        self._head = ""

    def _send(self, event: Event, text: str) -> None:
        self._notifier.send(event, text, self._head)

    def __call__(self, record: Record) -> None:
        """Take in one record that the ledger has already taken."""
        self._head = record.hash
        if record.type == "slot_started" and (after := record.of(SlotStarted).get("after")):
            started = record.of(SlotStarted)
            self._say(f"iteration {started['iteration']} was {after['kind']} ({after['message']}); it is run again")
        elif record.type == "slot_finished":
            self._failed_in_a_row = 0
        elif record.type == "slot_failed":
            self._failed(record)
        elif record.type == "batch_committed":
            self._committed(record)
        elif record.type == "reply_accepted":
            self._accepted(record)
        elif record.type == "claude_awaited":
            awaited = record.of(ClaudeAwaited)
            text = f"waiting for Claude until {awaited['until']}: {awaited['reason']}"
            self._say(text)
            self._send("claude_unreachable", text)
        elif record.type == "budget_stop":
            reason = f"the night has ended: {record.of(Stopped)['reason']}"
            self._send("finished", ". ".join([reason, *gain_lines(self._ledger)]))
        elif record.type == "driver_stopped":
            self._send("stopped", f"the night has stopped: {record.of(Stopped)['reason']}")

    def _failed(self, record: Record) -> None:
        if record.of(SlotEnded)["result"]["failure"]["kind"] == "cut":
            return
        self._failed_in_a_row += 1
        if self._failed_in_a_row == 2:
            failure = record.of(SlotEnded)["result"]["failure"]
            text = f"two slots in a row have failed, the last one {failure['kind']}: {failure['message']}"
            self._send("slots_failing", text)

    def _accepted(self, record: Record) -> None:
        """Nothing of a conversation could be used, for whatever reason: that is told at once, and each time."""
        if why := why_useless(record.of(ReplyAccepted)):
            history, most = self._ledger.history, self._ledger.campaign.claude.max_fallback_batches
            text = f"Claude gave no usable reply about batch {record.batch} ({why}); its next slots are the program's. "
            text += f"That is {history.useless} in a row; the night goes on with at most {most}"
            self._say(text)
            self._send("claude_unreachable", text)

    def _committed(self, record: Record) -> None:
        best = self._confirmed_best()
        if best is not None and best != self._best:
            trial = self._ledger.views.confirmations.best
            assert trial is not None
            self._send("new_best", f"new best confirmed: {render_trial(trial, self._ledger.campaign.goal)}")
        self._best = best

    def _confirmed_best(self) -> str | None:
        best = self._ledger.views.confirmations.best
        return None if best is None else best.config_id
