"""The page: complete, quiet on the network, and deaf to whatever a model wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands.rebuild import rebuild
from agent.commands.status import describe, read_run
from agent.ledger.standing import NOTHING, candidate, standing
from agent.report import data
from agent.report.limits import Limits
from agent.report.page import inert_json
from agent.report.story import read_story
from agent.report.tables import config_rows, person_rows
from agent.report.write import write_report
from state.blobs import BlobStore
from state.journal import Journal, Record, read_records
from state.metrics import tabled
from state.paths import RunPaths
from tests.agent.conftest import play, write_campaign
from tests.agent.report.conftest import HOSTILE, again
from ucb.log import parse_log, render_entry
from ucb.score import parse_scores


class Reader(HTMLParser):
    """Reads a page as a browser would: elements, their attributes, scripts, and the text that is shown."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    @property
    def data(self) -> dict[str, Any]:
        """What the script draws from."""
        value: dict[str, Any] = json.loads(self.scripts[0])
        return value


@pytest.fixture(scope="module")
def page(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    out = write_report(hostile, tmp_path_factory.mktemp("page") / "report.html")
    return Reader(out.read_text(encoding="utf-8"))


def test_what_a_model_wrote_makes_no_element(page: Reader) -> None:
    assert [tag for tag, _ in page.tags if tag in ("script", "img", "iframe", "b", "object")] == ["script"] * 3
    assert page.text.count(HOSTILE + "principle") >= 1
    assert page.text.count(HOSTILE + "summary") >= 1
    assert any(HOSTILE + "embedding" in (node["entry"] or "") for node in page.data["nodes"])
    hypotheses = [node["hypothesis"] for node in page.data["nodes"]]
    assert any(" ".join(HOSTILE.split()) in text for text in hypotheses)
    observations = [node["entry"] for node in page.data["nodes"] if node["entry"]]
    assert any(" ".join(HOSTILE.split()) in " ".join(text.split()) for text in observations)


def test_only_the_page_s_own_scripts_may_run(page: Reader) -> None:
    policy = next(str(a["content"]) for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy
    assert "unsafe-inline" not in re.search(r"script-src [^;]*", policy)[0]  # type: ignore[index]
    for script in page.scripts[1:]:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_the_page_asks_the_network_for_nothing(page: Reader) -> None:
    addresses = [str(a.get(name)) for _, a in page.tags for name in ("src", "href") if name in a]
    assert not [address for address in addresses if address.startswith(("http:", "https:", "//"))]


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_in_the_page_is_inert_and_says_the_same(value: Any) -> None:
    text = inert_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_every_run_and_its_facts_are_on_the_page(hostile: Path, page: Reader) -> None:
    records = list(read_records(RunPaths(hostile).journal))
    results = {r.data["iteration"]: r.data["result"] for r in records if r.type in ("slot_finished", "slot_failed")}
    nodes = {node["id"]: node for node in page.data["nodes"]}
    assert nodes.keys() == results.keys()
    for number, result in results.items():
        for name, shown in zip(page.data["metrics"], nodes[number]["metrics"], strict=True):
            measured = result["metrics"].get(name)
            assert shown == (None if measured is None else pytest.approx(measured, abs=1e-6))
        assert len(nodes[number]["curve"][0]) == len(result["trajectory"])
    assert len(page.data["talks"]) == sum(r.type == "prompt_rendered" for r in records)
    assert page.data["head"] == records[-1].hash


def test_trouble_is_told(page: Reader) -> None:
    assert "sent back" in page.text
    assert "mutation_mismatch" in page.text
    assert re.search(r"'connectivity_R2 = 0.0123' is about iteration \d+, whose connectivity_R2 is", page.text)
    assert "slot_0 was filled by the program" in page.text
    assert "Claude cannot be reached" in page.text


def test_a_surrogate_and_a_dry_run_say_so(page: Reader) -> None:
    assert "SURROGATE: no network was trained" in page.text
    assert "dry run: mocked Claude" in page.text


def test_equal_journals_give_equal_pages(plain: Path, tmp_path: Path) -> None:
    one, two = (write_report(plain, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert one == two


def test_a_page_too_full_keeps_the_runs_of_most_interest(plain: Path) -> None:
    ledger, story = read_story(RunPaths(plain))
    limits = Limits(entries=6000)
    nodes = {node["id"]: node for node in data.page_data(ledger, story, {}, {}, limits)["nodes"]}
    kept = [number for number, node in nodes.items() if node["whole"]]
    assert 0 < len(kept) < len(nodes)
    assert max(nodes) in kept
    assert all(nodes[number]["entry"] for number in kept)
    assert all(not n["entry"] and n["curve"] == [] and n["verdict"] for n in nodes.values() if not n["whole"])
    nodes = {node["id"]: node for node in data.page_data(ledger, story, {}, {}, Limits(points=0))["nodes"]}
    assert not any(node["whole"] for node in nodes.values() if node["curve"])


def test_configs_stand_in_the_order_of_the_variance_table(plain: Path) -> None:
    ledger, _ = read_story(RunPaths(plain))
    rows = config_rows(ledger)
    assert [row["config"] for row in rows] == [stats.config_id for stats in ledger.views.table.top()]
    ranked = [row["config"] for row in rows if row["ranked"]]
    assert ranked == [stats.config_id for stats in ledger.views.table.ranking()]
    assert {row["config"]: row["robust"] for row in rows} == {
        s.config_id: s.robustness for s in ledger.views.table.top()
    }


def test_a_mean_over_some_of_the_runs_says_so(odd: Path) -> None:
    ledger, _ = read_story(RunPaths(odd))
    column = [row.name for row in tabled()].index("V_rest_R2")
    for row in config_rows(ledger):
        defined = ledger.views.table[row["config"]].spreads["V_rest_R2"].n
        some = f"in {defined} of {row['runs']} runs" if 0 < defined < row["runs"] else ""
        assert row["cells"][column]["some"] == some
    assert any(row["cells"][column]["some"] for row in config_rows(ledger))


def test_scores_are_those_of_the_files_though_the_constant_changed(plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    again(root, lambda record: [(record.type, record.data | _constant(record))])
    rebuild(root)
    ledger, story = read_story(RunPaths(root))
    nodes = {node["id"]: node["ucb"] for node in data.page_data(ledger, story, {}, {})["nodes"]}
    for block in range(1, 6):
        table = parse_scores(RunPaths(root).snapshot("ucb_scores.txt", block).read_text())
        assert table.c == (1.414 if block < 3 else 0.25)
        assert [nodes[score.node] for score in table.scores] == [pytest.approx(s.ucb, abs=6e-4) for s in table.scores]


def _constant(record: Record) -> dict[str, Any]:
    """The model sets the exploration constant in the third batch."""
    return {"settings": {"claude.ucb_c": 0.25}} if (record.type, record.batch) == ("batch_committed", 3) else {}


def test_a_night_in_hand_and_a_night_cut_short_say_what_is_known(plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    journal = RunPaths(root).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    started = next(n for n, line in enumerate(lines) if b'"type":"slot_started"' in line)
    journal.write_bytes(b"".join(lines[: started + 1]))
    page = Reader(write_report(root).read_text())
    assert "4 planned or running, in progress, unless the driver died." in page.text
    assert [run["id"] for run in page.data["running"]] == [1]
    with Journal(journal, lambda record: None) as file:
        file.append("driver_stopped", 1, {"reason": "stopped by Ctrl-C"})
    assert "4 without a result, stopped by Ctrl-C." in Reader(write_report(root).read_text()).text


def test_only_what_a_person_did_is_said_to_be_a_person_s(plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    with Journal(RunPaths(root).journal, lambda record: None) as file:
        file.append("user_input_taken", 5, {"kind": "pause"})
        file.append("user_input_taken", 5, {"kind": "acknowledged", "text": "0" * 64, "answer": "yes"})
    told = [text for _, text in read_story(RunPaths(root))[1].events]
    assert told[-2:] == ["a person: pause", "Claude acknowledged the instructions"]


def test_a_reply_is_accepted_only_once_it_is(plain: Path, hostile: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    lines = RunPaths(root).journal.read_bytes().splitlines(keepends=True)
    received = next(n for n, line in enumerate(lines) if b'"type":"reply_received"' in line)
    RunPaths(root).journal.write_bytes(b"".join(lines[: received + 1]))
    (talk,) = read_story(RunPaths(root))[1].talks
    assert (talk.reply is not None, talk.accepted) == (True, False)
    talks = read_story(RunPaths(hostile))[1].talks
    assert all(talk.accepted != bool(talk.violations) for talk in talks)


@pytest.mark.parametrize("night", ["plain", "odd", "hostile"])
def test_page_status_and_log_say_the_same(night: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    root = request.getfixturevalue(night)
    ledger, story = read_story(RunPaths(root))
    page = data.page_data(ledger, story, {}, {})
    nodes, rows = {node["id"]: node for node in page["nodes"]}, {row["config"]: row for row in config_rows(ledger)}
    state = describe(*read_run(root))
    assert state["finished"] == len(nodes)
    assert state["failed"] == sum(node["failure"] is not None for node in nodes.values())
    for best in state["best"]:
        row = rows[best["config_id"]]
        assert (row["runs"], row["robust"]) == (best["runs"], best["robust"])
        shown = [best[row.name] for row in tabled()]
        means = ["n/a" if mean is None else f"{mean:.3f}" for mean in shown]
        assert [cell["mean"] for cell in row["cells"]] == means
    for entry in parse_log(RunPaths(root).log.read_text()):
        node = nodes[entry.iteration]
        for name in ("status", "parent", "role", "mutation", "hypothesis", "verdict"):
            assert node[name] == getattr(entry, name)
        assert node["entry"] == render_entry(entry)
        for name, value in (entry.metrics or {}).items():
            shown = node["metrics"][page["metrics"].index(name)]
            assert shown == (None if value is None else pytest.approx(value, abs=1e-6))


@pytest.mark.parametrize(("n_parallel", "batches"), [(1, 1), (1, 3), (16, 2)])
def test_nights_of_one_slot_and_of_sixteen_have_a_page(n_parallel: int, batches: int, tmp_path: Path) -> None:
    policy = {"baseline_runs": 1, "min_replicates": 0, "min_replicates_later": 0}
    file = write_campaign(
        tmp_path / "campaign.yaml", search={"n_parallel": n_parallel, "n_iter_block": n_parallel}, policy=policy
    )
    play(file, tmp_path / "runs" / "surrogate", batches)
    page = Reader(write_report(tmp_path / "runs" / "surrogate").read_text())
    assert [node["slot"] for node in page.data["nodes"]] == [*range(n_parallel)] * batches
    counts = {(1, 1): "1 batch committed, 1 run finished", (1, 3): "3 batches committed, 3 runs finished"}
    assert counts.get((n_parallel, batches), "2 batches committed, 32 runs finished") in page.text


def test_a_config_on_one_data_set_gets_no_interval_and_no_verdict(plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    again(root, lambda record: [(record.type, record.data | _one_data_set(record))])
    rows = {row["config"]: row["against"] for row in config_rows(read_story(RunPaths(root))[0])}
    assert rows.pop("C1") == ""
    assert set(rows.values()) == {NOTHING}


def test_a_comparison_with_the_baseline_has_verdict_and_interval(tmp_path: Path) -> None:
    play(write_campaign(tmp_path / "c.yaml"), tmp_path / "runs" / "surrogate", 14)
    ledger, _ = read_story(RunPaths(tmp_path / "runs" / "surrogate"))
    seen = 0
    for row in config_rows(ledger):
        if row["config"] == "C1":
            continue
        assert row["against"].startswith(standing(ledger.views, row["config"]))
        for metric, short in (("connectivity_R2", "conn"), ("V_rest_R2", "V_rest")):
            found = ledger.views.estimates.compare(row["config"], "C1", metric)
            shown = found.interval is not None
            assert (f"{short} {found.difference or 0.0:+.3f}, 95 % interval" in row["against"]) == shown
            seen += shown
    assert seen


def _one_data_set(record: Record) -> dict[str, Any]:
    """Every run of a config but the baseline had the same data."""
    if record.type != "batch_planned":
        return {}
    slots = [slot | ({"simulation_seed": 7} if slot["config_id"] != "C1" else {}) for slot in record.data["slots"]]
    return {"slots": slots}


def test_scores_of_config_means_are_those_of_the_score_file(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml", search={"ucb_reward": "config_mean"}), tmp_path / "run", 5)
    ledger, story = read_story(night.paths)
    shown = {node["id"]: node["ucb"] for node in data.page_data(ledger, story, {}, {})["nodes"]}
    stored = parse_scores(night.paths.scores.read_text()).scores
    assert {score.node: shown[score.node] for score in stored} == {score.node: score.ucb for score in stored}


def test_what_a_person_told_the_night_stands_in_a_place_of_its_own(plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    text = BlobStore(RunPaths(root).blobs).put("Look at <b>V_rest</b>")
    with Journal(RunPaths(root).journal, lambda record: None) as file:
        file.append("user_input_taken", 5, {"kind": "instruction", "text": text})
        file.append("user_input_taken", 5, {"kind": "instruction", "text": text})
        file.append("user_input_taken", 5, {"kind": "acknowledged", "text": text, "answer": "I shall"})
        file.append("user_input_taken", 5, {"kind": "pause"})
        file.append("user_input_taken", 5, {"kind": "instruction", "text": "f" * 64})
    rows = person_rows(*read_story(RunPaths(root)))
    told = [(row["what"], row["text"], row["answer"]) for row in rows]
    assert told == [
        ("instruction for Claude", "Look at <b>V_rest</b>", "I shall"),
        ("pause", "", ""),
        ("instruction for Claude", "(its blob is missing or damaged)", "not acknowledged yet"),
    ]
    html = write_report(root, tmp_path / "report.html").read_text()
    assert 'id="told"' in html
    assert "Look at <b>" not in html
    assert 'id="told"' not in write_report(plain, tmp_path / "plain.html").read_text()


def test_the_page_opens_on_the_candidate_and_says_why(tmp_path: Path) -> None:
    play(write_campaign(tmp_path / "c.yaml"), tmp_path / "run", 14)
    seen = set()
    for batches in range(1, 15):
        root = Path(shutil.copytree(tmp_path / "run", tmp_path / f"cut{batches}"))
        lines = RunPaths(root).journal.read_bytes().splitlines(keepends=True)
        ends = [n for n, line in enumerate(lines) if b'"type":"batch_committed"' in line]
        RunPaths(root).journal.write_bytes(b"".join(lines[: ends[batches] + 1]))
        ledger, story = read_story(RunPaths(root))
        page, won = data.page_data(ledger, story, {}, {}), ledger.views.confirmations.best
        name = won.config_id if won else candidate(ledger.views)
        if name is not None:
            assert page["best"] == ledger.views.latest_node[name]
            assert name in page["why"]
            assert ("confirmed better" in page["why"]) == (won is not None)
        seen.add(name)
    assert len(seen) > 1


def test_request_ids_are_on_the_page(hostile: Path) -> None:
    talks = data.page_data(*read_story(RunPaths(hostile)), {}, {})["talks"]
    assert {talk["request"] for talk in talks if talk["reply"]} == {"req_1"}
