"""The files people read - analysis.md, memory.md, ucb_scores.txt, tree.png, snapshots - all made from the journal."""

from __future__ import annotations

import os
import time
from pathlib import Path

from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.night.winner import render_winner
from prompts.memory import with_table
from state.files import write_atomic
from state.journal import Record, read_records
from state.paths import RunPaths
from state.shapes import BatchCommitted, CampaignStarted
from ucb.entry import LogEntry
from ucb.log import render_block_heading, render_block_summary, render_entry, render_header
from ucb.score import render_scores
from ucb.table import render_table

REDRAW_S = 10.0


class Derived:
    """Follows the journal record by record; `flush` brings the files up to it."""

    def __init__(self, paths: RunPaths, ledger: Ledger) -> None:
        self.paths, self.campaign, self.blobs = paths, ledger.campaign, ledger.blobs
        self.history, self.views = ledger.history, ledger.views
        self._log: list[str] = [render_header(ledger.views.title())]
        self._log_on_disk: int | None = None
        self._files: dict[Path, str] = {}
        self._drawn = 0.0

    def apply(self, record: Record, replaced_later: bool = False) -> None:
        """Take in a record that `History` and `Views` have already taken.

        ``replaced_later``: another batch follows, so memory.md and ucb_scores.txt of this one are not made.
        """
        if record.type == "campaign_started":
            self._files[self.paths.campaign] = self.blobs.text(record.of(CampaignStarted)["campaign"])
        elif record.type == "batch_committed":
            data = record.of(BatchCommitted)
            entries = [LogEntry.model_validate(fields) for fields in data["entries"]]
            self._log += self._sections(entries, data["block_summary"])
            if not replaced_later or (entries and self.views.is_block_end(entries[-1].iteration)):
                self._commit(data["memory"], entries)

    def _commit(self, memory_blob: str, entries: list[LogEntry]) -> None:
        memory = with_table(self.blobs.text(memory_blob), render_table(self.views.table))
        self._files[self.paths.memory] = memory
        if entries:
            block = self.views.block(entries[-1].iteration).number
            self._files[self.paths.scores] = render_scores(self.views.scores(block))
            if self.views.is_block_end(entries[-1].iteration):
                self._files[self.paths.snapshot("memory.md", block)] = memory
                self._files[self.paths.snapshot("ucb_scores.txt", block)] = self._files[self.paths.scores]
                instruction = self.blobs.text(self.history.exchanges[0].prompt["system"])
                self._files[self.paths.snapshot("instruction.md", block)] = instruction
                self._set_winner(block)

    def _set_winner(self, block: int) -> None:
        # Runs of the first release have none, and their folders are held against what is made here.
        if self.campaign.format > 1 and (text := render_winner(self.views, block)) is not None:
            self._files[self.paths.winner] = text
            self._files[self.paths.snapshot("winner.yaml", block)] = text

    def _sections(self, entries: list[LogEntry], summary: str | None) -> list[str]:
        parts = []
        for entry in entries:
            block = self.views.block(entry.iteration)
            if entry.iteration == block.first:
                parts.append("\n" + render_block_heading(block.number))
            parts.append("\n" + render_entry(entry))
        if summary and entries and self.views.is_block_end(entries[-1].iteration):
            parts.append("\n" + render_block_summary(summary))
        return parts

    def contents(self) -> dict[Path, bytes]:
        """Every file that the records since the last `flush` change, with its content; the log holds their part."""
        log = "".join(self._log).encode("utf-8")
        return {self.paths.log: log} | {path: text.encode("utf-8") for path, text in self._files.items()}

    def flush(self, draw: bool = False) -> None:
        """Write what changed: the log is appended to, the others are replaced whole."""
        self._flush_log()
        for path, text in self._files.items():
            write_atomic(path, text)
        self._files.clear()
        if self.history.iterations and (draw or time.monotonic() - self._drawn > REDRAW_S):
            self.draw()

    def draw(self) -> None:
        """tree.png; drawn at most every few seconds, since a picture costs more than a batch of a fast campaign."""
        from ucb.plot import plot_tree

        search = self.campaign.search
        picture = plot_tree(
            self.views.nodes.values(),
            n_parallel=search.n_parallel,
            n_iter_block=search.n_iter_block,
            title=self.views.title(),
        )
        write_atomic(self.paths.tree_picture, picture)
        self._drawn = time.monotonic()

    def _flush_log(self) -> None:
        text, self._log = "".join(self._log).encode("utf-8"), []
        path = self.paths.log
        if self._log_on_disk is None:
            self._replace_log(path, text)
        elif text and (not path.exists() or path.stat().st_size != self._log_on_disk):
            self._replace_log(path, self._whole_log())
        elif text:
            with path.open("ab") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self._log_on_disk += len(text)

    def _whole_log(self) -> bytes:
        """The log from the journal, for when someone wrote to the file while the driver was at work."""
        parts = [render_header(self.views.title())]
        for record in read_records(self.paths.journal):
            if record.type == "batch_committed":
                data = record.of(BatchCommitted)
                entries = [LogEntry.model_validate(fields) for fields in data["entries"]]
                parts += self._sections(entries, data["block_summary"])
        return "".join(parts).encode("utf-8")

    def _replace_log(self, path: Path, text: bytes) -> None:
        """Write the whole log; a file that says something else is kept aside, never overwritten."""
        old = path.read_bytes() if path.exists() else b""
        if old != text:
            if not text.startswith(old):
                write_atomic(path.with_name(f"{path.name}.changed-{time.strftime('%Y%m%dT%H%M%S')}"), old)
            write_atomic(path, text)
        self._log_on_disk = len(text)


def read_ledger(paths: RunPaths) -> tuple[Ledger, Derived]:
    """The state of a run and the files it implies, read without the driver's lock; RunError for what is no run."""
    run = open_run(paths.root)
    ledger = run.new_ledger()
    derived = Derived(paths, ledger)
    run.fold(ledger.fold, derived.apply)
    return ledger, derived
