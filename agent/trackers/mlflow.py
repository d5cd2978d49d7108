"""Iterations as runs of MLflow, one experiment a campaign, in MLFLOW_TRACKING_URI or SQLite in the run directory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from agent.trackers.facts import PREFIX, TrackedRun
from agent.trackers.tracker import TrackerError

MENDING = "pip install 'nightfly[mlflow]'"
# The store's limits for one request, and for the length of a tag and a parameter.
MOST_METRICS, MOST_PARAMS, LONGEST_TAG, LONGEST_PARAM = 1000, 100, 5000, 6000
PAGE = 1000


class MlflowTracker:
    """A client of one store."""

    def __init__(self, root: Path) -> None:
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError
        except ImportError as error:
            raise TrackerError(f"tracker: mlflow is not installed ({error.name}); {MENDING}") from error
        self._faults: tuple[type[Exception], ...] = (MlflowException, SQLAlchemyError, OSError, ValueError)
        self._artifacts = (root / "mlartifacts").resolve()
        self._own = not os.environ.get("MLFLOW_TRACKING_URI")
        store = f"sqlite:///{(root / 'mlflow.db').resolve()}" if self._own else os.environ["MLFLOW_TRACKING_URI"]
        try:
            self._client = MlflowClient(store)
        except self._faults as error:
            raise self._fault(error) from error

    def known(self, run: str) -> set[str]:
        """Keys of the whole iterations of ``run``; half-told ones are deleted."""
        try:
            return self._known(run)
        except self._faults as error:
            raise self._fault(error) from error

    def _known(self, run: str) -> set[str]:
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        keys, page = set(), None
        while experiments:
            found = self._client.search_runs(
                experiments, filter_string=f"tags.`{PREFIX}run` = '{run}'", max_results=PAGE, page_token=page
            )
            for one in found:
                if one.info.status in ("FINISHED", "FAILED"):
                    keys.add(one.data.tags[f"{PREFIX}key"])
                else:
                    self._client.delete_run(one.info.run_id)
            page = found.token
            if not page:
                break
        return keys

    def tell(self, run: TrackedRun) -> None:
        """Create, fill and end one MLflow run."""
        try:
            self._tell(run)
        except self._faults as error:
            raise self._fault(error) from error

    def _tell(self, run: TrackedRun) -> None:
        client, tags = self._client, {name: text[:LONGEST_TAG] for name, text in run.tags.items()}
        tags |= {f"{PREFIX}key": run.key}
        made = client.create_run(self._experiment(run.campaign), run.began_ms, tags, run.name).info.run_id
        for chunk in _chunks(_params(run), MOST_PARAMS):
            client.log_batch(made, params=chunk)
        for chunk in _chunks(_metrics(run), MOST_METRICS):
            client.log_batch(made, metrics=chunk)
        with tempfile.TemporaryDirectory() as folder:
            for name, png in run.pictures.items():
                path = Path(folder) / name
                path.write_bytes(png)
                client.log_artifact(made, str(path), "pictures")
        client.set_terminated(made, "FAILED" if run.failed else "FINISHED", run.ended_ms)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = self._artifacts.as_uri() if self._own else None
        return str(self._client.create_experiment(name, artifact_location=place))

    def _fault(self, error: Exception) -> TrackerError:
        # The address may contain a password, and error messages may contain the address: neither is shown.
        store = "its SQLite store in the run directory" if self._own else "the store of MLFLOW_TRACKING_URI"
        return TrackerError(f"tracker: MLflow: {store} failed ({type(error).__name__})")


def _params(run: TrackedRun) -> list[Any]:
    from mlflow.entities import Param

    return [Param(key, str(value)[:LONGEST_PARAM]) for key, value in run.params.items() if str(value)]


def _metrics(run: TrackedRun) -> list[Any]:
    """The trajectory under the metrics' own names with their steps, the final values one step later."""
    from mlflow.entities import Metric

    points = [Metric(name, value, run.ended_ms, step) for step, at in run.steps for name, value in at.items()]
    last = max((step for step, _ in run.steps), default=0) + 1
    return points + [Metric(name, value, run.ended_ms, last) for name, value in run.metrics.items()]


def _chunks(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
