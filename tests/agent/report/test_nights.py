"""Two nights side by side: their facts, and the page that `nightfly serve` shows of them."""

from __future__ import annotations

import http.client
import shutil
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from agent.ledger.standing import candidate
from agent.report.nights import night_facts
from agent.report.serve import Server
from agent.report.story import read_story
from state.paths import RunPaths
from tests.agent.report.test_learned import ridge_night


@pytest.fixture(scope="module")
def root(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of three nights: `one` has confirmed a config, `two` is short, `bad` cannot be read."""
    folder = tmp_path_factory.mktemp("nights") / "runs"
    ridge_night(folder.parent, batches=20)
    (folder / "bad").mkdir(parents=True)
    shutil.copytree(folder.parent / "r", folder / "one")
    shutil.copytree(plain, folder / "two")
    (folder / "bad" / "journal.jsonl").write_text("no record\n")
    return folder


def get(root: Path, path: str) -> tuple[int, str]:
    with Server(root, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        server.shutdown()
    return answer.status, text


def test_a_night_tells_what_it_confirmed_and_its_candidate(root: Path) -> None:
    ledger, _ = read_story(RunPaths(root / "one"))
    facts = night_facts(RunPaths(root / "one"))
    best, name = ledger.views.confirmations.best, candidate(ledger.views)
    assert (facts.rows["Confirmed better"] == "none") == (best is None)
    assert (facts.rows["Candidate"] == "none") == (name is None)
    assert best is not None
    assert facts.rows["Confirmed better"].startswith(best.config_id)
    base = ledger.campaign.base_config().flat()
    assert {key: values[0] for key, values in facts.values.items()} == {
        key: str(base[key]) for key in ledger.campaign.explorable
    }
    config = ledger.views.config(ledger.history.iterations[ledger.views.latest_node[best.config_id]]).flat()
    assert {key: values[1] for key, values in facts.values.items()} == {
        key: str(config[key]) for key in ledger.campaign.explorable
    }


def test_two_nights_stand_side_by_side(root: Path) -> None:
    status, text = get(root, "/-/compare?a=one&b=two")
    assert status == 200
    for name in ("one", "two"):
        assert f'<a href="../{name}/">{name}</a>' in text
    assert text.count('<td class="prose">') == 2 * len(night_facts(RunPaths(root / "one")).rows)


def test_a_night_that_cannot_be_read_says_why(root: Path) -> None:
    status, text = get(root, "/-/compare?a=one&b=bad")
    assert status == 200
    assert "bad: " in text
    assert "journal" in text


@pytest.mark.parametrize("query", ["", "?a=one", "?a=one&b=../../etc", "?a=&b=", "?a=" + quote("<script>") + "&b=two"])
def test_without_two_runs_it_asks_for_them(root: Path, query: str) -> None:
    status, text = get(root, "/-/compare" + query)
    assert status == 200
    assert "Choose two runs." in text
    assert "<script" not in text


def test_the_list_leads_there(root: Path) -> None:
    assert 'href="-/compare"' in get(root, "/")[1]
