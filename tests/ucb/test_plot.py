"""The picture is a PNG, the same for the same tree, with every label small trees need."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.text import Text
from numpy.typing import NDArray

from tests.ucb.strategies import node
from ucb import plot
from ucb.plot import plot_tree
from ucb.tree import TreeNode


def night(n: int) -> list[TreeNode]:
    """Four children of the root, then every batch under the one before; every ninth slot fails."""
    found = []
    for i in range(1, n + 1):
        item = node(i, i - 4 if i > 4 else None, None if i % 9 == 0 else 0.5 + 0.4 * i / n, "exploit")
        found.append(replace(item, changes={"alternate_joint_ratio": (0.4, 0.3)} if i % 2 else {}))
    return found


def pixels(png: bytes) -> NDArray[np.float32]:
    return np.asarray(imread(io.BytesIO(png)))


@pytest.mark.parametrize("n", [0, 1, 12, 48, 400])
def test_trees_of_any_size_give_a_picture(n: int) -> None:
    image = pixels(plot_tree(night(n), n_parallel=4, n_iter_block=12, title="night"))
    assert 200 < image.shape[0] < 3000
    assert 400 < image.shape[1] < 3000
    assert image[..., :3].std() > 0.02


def test_the_same_tree_gives_the_same_bytes() -> None:
    assert plot_tree(night(12), n_parallel=4, n_iter_block=12) == plot_tree(night(12), n_parallel=4, n_iter_block=12)


def test_a_failed_slot_is_drawn_in_its_own_colour() -> None:
    red = np.array([0xC1, 0x27, 0x2D]) / 255

    def has_red(nodes: list[TreeNode]) -> bool:
        image = pixels(plot_tree(nodes, n_parallel=4, n_iter_block=12))
        return bool((np.abs(image[..., :3] - red).max(axis=-1) < 0.02).any())

    assert has_red([node(1, None, None)])
    assert not has_red([node(1, None, 0.5)])


def test_an_undefined_metric_is_drawn_and_named() -> None:
    undefined = replace(node(1, None), metrics={"connectivity_R2": None})
    assert plot_tree([undefined], n_parallel=4, n_iter_block=12) != plot_tree(
        [node(1, None)], n_parallel=4, n_iter_block=12
    )


def shown(nodes: list[TreeNode], monkeypatch: pytest.MonkeyPatch) -> list[Text]:
    """The texts of the picture that stand beside or in nodes."""
    kept: list[Text] = []
    draw = plot._draw_labels

    def spy(figure, axes, *rest):  # type: ignore[no-untyped-def]
        before = set(axes.texts)
        draw(figure, axes, *rest)
        kept.extend(text for text in axes.texts if text not in before)

    monkeypatch.setattr(plot, "_draw_labels", spy)
    plot_tree(nodes, n_parallel=4, n_iter_block=12)
    return kept


def test_labels_never_cover_each_other_and_small_trees_lose_none(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = night(48)
    texts = shown(nodes, monkeypatch)
    words = [text.get_text() for text in texts]
    assert all(str(n.id) in words or f"{n.id} timed_out" in words for n in nodes)
    assert words.count("joint_ratio 0.4→0.3") == 24
    beside = [text.get_window_extent() for text in texts if not text.get_text().isdigit()]
    assert not any(box.overlaps(other) for i, box in enumerate(beside) for other in beside[:i])


def test_large_trees_label_only_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [text.get_text() for text in shown(night(400), monkeypatch)]
    assert "400: 0.900" in words
    assert 1 <= len(words) <= 12
    assert shown([node(i, None, None) for i in range(1, 101)], monkeypatch) == []


def test_the_ring_is_where_it_is_asked_for() -> None:
    """Node 12 of this tree has the highest value."""
    pictures = {best: plot_tree(night(12), n_parallel=4, n_iter_block=12, best=best) for best in (None, 12, 3)}
    assert pictures[None] == pictures[12]
    assert pictures[3] != pictures[12]


def test_imported_nodes_are_hollow_before_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = [TreeNode(1, None, "imported", "converged"), TreeNode(2, 1, "imported", "failed")]
    own = [node(5, 2, 0.9), node(6, None, 0.95)]
    ticks: list[str] = []
    keys: list[str] = []
    draw = plot._draw_labels

    def spy(figure, axes, *rest):  # type: ignore[no-untyped-def]
        ticks.extend(label.get_text() for label in axes.get_xticklabels())
        keys.extend(text.get_text() for text in figure.legends[0].get_texts())
        draw(figure, axes, *rest)

    monkeypatch.setattr(plot, "_draw_labels", spy)
    with_imported = plot_tree([*imported, *own], n_parallel=4, n_iter_block=4, first=5)
    assert ticks == ["1"], "the columns of what was imported are no batches"
    assert "imported, unverified" in keys
    measured = [replace(one, role="exploit", metrics={"connectivity_R2": 0.99}) for one in imported]
    assert plot_tree([*measured, *own], n_parallel=4, n_iter_block=4, first=5) != with_imported
    stated = [replace(one, metrics={"connectivity_R2": 0.99}) for one in imported]
    drawn = pixels(plot_tree([*stated, *own], n_parallel=4, n_iter_block=4, first=5, best=6))
    assert (drawn == pixels(plot_tree([*imported, *own], n_parallel=4, n_iter_block=4, first=5, best=6))).all()
