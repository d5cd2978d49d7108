"""The prompts as golden files (`NIGHTFLY_UPDATE_GOLDEN=1` writes them anew), and what rendering refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError

from prompts.render import (
    FOLDER,
    TEMPLATES,
    constants,
    figure,
    filters,
    render_prompt,
    render_repair,
    render_system,
    template_hashes,
)
from state.files import sha256
from tests.prompts.facts import (
    DEMANDS,
    batch_context,
    beside_control_context,
    beside_standard_context,
    plain_context,
    screening_context,
    start_context,
    taken_slot_context,
)

GOLDEN = Path(__file__).parent / "golden"
PROMPTS: dict[str, Callable[[], str]] = {
    "system": lambda: render_system(batch_context()),
    "system_one_stage": lambda: render_system(batch_context().model_copy(update={"two_stage": False})),
    "system_beside_standard": lambda: render_system(beside_standard_context()),
    "batch_beside_standard": lambda: render_prompt(beside_standard_context()),
    "system_screening": lambda: render_system(screening_context()),
    "batch_screening": lambda: render_prompt(screening_context()),
    "system_beside_control": lambda: render_system(beside_control_context()),
    "batch_beside_control": lambda: render_prompt(beside_control_context()),
    "batch_taken_slot": lambda: render_prompt(taken_slot_context()),
    "start": lambda: render_prompt(start_context()),
    "batch": lambda: render_prompt(plain_context()),
    "batch_end_failed": lambda: render_prompt(batch_context()),
    "repair": lambda: render_repair(["[no_edit] slot_0, role: found role exploit without edits"], DEMANDS[:1]),
}


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_a_prompt_is_what_the_golden_file_says(name: str) -> None:
    text, path = PROMPTS[name](), GOLDEN / f"{name}.md"
    if os.environ.get("NIGHTFLY_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_a_prompt_depends_on_its_context_alone() -> None:
    assert render_prompt(batch_context()) == render_prompt(batch_context())
    other = batch_context().model_copy(update={"last_node": 5, "memory": "changed"})
    assert render_prompt(other) != render_prompt(batch_context())
    assert render_system(other) == render_system(batch_context())


def test_what_a_model_or_a_worker_wrote_is_text_and_no_template() -> None:
    text = render_prompt(batch_context())
    assert "{{ c.campaign }} and {% raw %} stay as they are" in text
    assert "Look at <slot 1> & say {{ why }}." in text
    assert text.count("RuntimeError: {{ singular }}") == 2
    assert "- {{ c.memory }}\n" in render_repair(["{{ c.memory }}"])


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "repair.md.j2"])
def test_a_template_that_misses_a_fact_is_an_error(name: str) -> None:
    strict = Environment(loader=FileSystemLoader(FOLDER), undefined=StrictUndefined)
    strict.filters |= filters()
    strict.globals |= constants()
    facts = {**dict(batch_context()), "kind": "batch"}
    strict.get_template(name).render(c=facts)
    removed = [field for field in facts if f"c.{field} " in (FOLDER / name).read_text()]
    assert removed
    for field in removed:
        with pytest.raises(UndefinedError, match=field):
            strict.get_template(name).render(c={key: value for key, value in facts.items() if key != field})


def test_rendering_itself_is_strict() -> None:
    broken = batch_context().model_copy(update={"demand": None})
    with pytest.raises(UndefinedError):
        render_prompt(broken)


def test_a_run_of_the_first_release_is_asked_in_its_own_words() -> None:
    first = batch_context().model_copy(update={"format": 1})
    assert "# What is settled" not in render_prompt(first)
    assert "# What is settled" in render_prompt(batch_context())
    assert "what is not distinguishable is noise until more runs tell" in render_prompt(first)
    # What a run of the first release holds; a change of these files would make its replay fail.
    assert template_hashes(1)["batch.md.j2"].startswith("837cbfbd56f9c19e")
    assert template_hashes(1) != template_hashes()


def test_every_template_is_hashed() -> None:
    assert {path.name for path in FOLDER.glob("*.j2")} == set(TEMPLATES)
    assert template_hashes() == {name: sha256((FOLDER / name).read_bytes()) for name in TEMPLATES}


def test_a_missing_figure_is_never_a_number() -> None:
    assert [figure(None), figure(0.0), figure(1.23456, 2)] == ["missing", "0.0000", "1.23"]
    assert "V_rest_R2=missing" in render_prompt(batch_context())


@pytest.mark.parametrize("pictures", [True, False])
def test_the_embedding_is_asked_for_only_where_pictures_are_sent(pictures: bool) -> None:
    text = render_system(batch_context().model_copy(update={"pictures": pictures}))
    assert ("In `embedding` say what the picture of the learned embedding shows" in text) is pictures
    assert ("`embedding` is null: this campaign sends no pictures" in text) is not pictures
