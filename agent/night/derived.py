"""The files people read - analysis.md, memory.md, ucb_scores.txt, tree.png, snapshots - all made from the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.ledger.tree import imported_sections, log_sections
from agent.night.log_file import LogFile
from agent.night.winner import render_winner
from prompts.memory import with_table
from state.files import write_atomic
from state.journal import Record, read_records
from state.paths import RunPaths
from state.search import setting_key
from state.shapes import BatchCommitted, CampaignStarted, RunImported
from ucb.log import render_header
from ucb.score import render_scores
from ucb.table import render_table

REDRAW_S = 10.0
# A text, or what makes it when it is needed.
Content = str | Callable[[], str]


class Derived:
    """Follows the journal record by record; `flush` brings the files up to it.

    A driver's tree is read from the log that was just written, and what shows the tree is made after that.
    """

    def __init__(self, paths: RunPaths, ledger: Ledger) -> None:
        self.paths, self.campaign, self.blobs = paths, ledger.campaign, ledger.blobs
        self.history, self.views = ledger.history, ledger.views
        self.log = LogFile(paths.log, render_header(ledger.campaign.title()), self._whole_log)
        self._files: dict[Path, Content] = {}
        self._drawn = 0.0

    def apply(self, record: Record, replaced_later: bool = False) -> None:
        """Take in a record that `History` and `Views` have already taken.

        ``replaced_later``: another batch follows, so memory.md and ucb_scores.txt of this one are not made.
        """
        if record.type == "campaign_started":
            self._files[self.paths.campaign] = self.blobs.text(record.of(CampaignStarted)["campaign"])
        elif record.type == "run_imported":
            self.log.add(imported_sections(self.campaign, record.of(RunImported)))
        elif record.type == "batch_committed":
            data = record.of(BatchCommitted)
            self.log.add(self.views.tree.sections(data))
            last = max((entry["iteration"] for entry in data["entries"]), default=None)
            if not replaced_later or (last is not None and self.views.is_block_end(last)):
                self._commit(data["memory"], last)

    def _commit(self, memory_blob: str, last: int | None) -> None:
        memory = with_table(self.blobs.text(memory_blob), render_table(self.views.table))
        self._files[self.paths.memory] = memory
        if last is not None:
            block = self.views.block(last).number
            c = float(self.views.settings[setting_key("ucb_c")])
            # What is known now, not when the file is written: by then other runs may have finished.
            scores = partial(self._scores, block, last, c, self.views.rewards(block))
            self._files[self.paths.scores] = scores
            if self.views.is_block_end(last):
                self._files[self.paths.snapshot("memory.md", block)] = memory
                self._files[self.paths.snapshot("ucb_scores.txt", block)] = scores
                instruction = self.blobs.text(self.history.exchanges[0].prompt["system"])
                self._files[self.paths.snapshot("instruction.md", block)] = instruction
                self._set_winner(block)

    def _set_winner(self, block: int) -> None:
        # Runs of the first release have none, and their folders are held against what is made here.
        if self.campaign.format > 1 and (text := render_winner(self.views, block)) is not None:
            self._files[self.paths.winner] = text
            self._files[self.paths.snapshot("winner.yaml", block)] = text

    def _scores(self, block: int, last: int, c: float, rewards: dict[int, float] | None) -> str:
        return render_scores(self.views.scores(block, last, c, rewards))

    def contents(self) -> dict[Path, bytes]:
        """Every file that the records since the last `flush` change, with its content; the log holds their part."""
        files = {self.paths.log: self.log.waiting()} | {path: _text(made) for path, made in self._files.items()}
        return {path: text.encode("utf-8") for path, text in files.items()}

    def flush(self, draw: bool = False, refuse_edits: bool = True) -> None:
        """Write what changed: the log is appended to and read back, the others are replaced whole.

        TreeError when the log does not tell the tree of the journal; see `LogFile.flush` and `Tree.read`.
        """
        told = self.log.flush(refuse_edits)
        if self.views.tree.follows_file:
            self.views.tree.read(told)
        for path, made in self._files.items():
            write_atomic(path, _text(made))
        self._files.clear()
        if self.history.iterations and (draw or time.monotonic() - self._drawn > REDRAW_S):
            self.draw()

    def draw(self) -> None:
        """tree.png; drawn at most every few seconds, since a picture costs more than a batch of a fast campaign."""
        from ucb.plot import plot_tree

        search, first = self.campaign.search, self.views.table.leading(1)
        picture = plot_tree(
            self.views.tree.nodes(),
            n_parallel=search.n_parallel,
            n_iter_block=search.n_iter_block,
            title=self.campaign.title(),
            best=first[0].best_run if first else None,
            first=self.history.first_iteration,
        )
        write_atomic(self.paths.tree_picture, picture)
        self._drawn = time.monotonic()

    def _whole_log(self) -> str:
        """The log from the journal, for when someone wrote to the file while the driver was at work."""
        parts = [render_header(self.campaign.title())]
        for record in read_records(self.paths.journal):
            if record.type == "run_imported":
                parts.append(imported_sections(self.campaign, record.of(RunImported)))
            elif record.type == "batch_committed":
                parts.append(log_sections(self.campaign, record.of(BatchCommitted)))
        return "".join(parts)


def _text(content: Content) -> str:
    return content if isinstance(content, str) else content()


def read_ledger(paths: RunPaths) -> tuple[Ledger, Derived]:
    """The state of a run and the files it implies, read without the driver's lock; RunError for what is no run."""
    run = open_run(paths.root)
    ledger = run.new_ledger()
    derived = Derived(paths, ledger)
    run.fold(ledger.fold, derived.apply)
    return ledger, derived
