"""Reading of shapes: headers, labels, ids, numbers, and lines that are nothing of the kind."""

from __future__ import annotations

import pytest

from agent.audit.entry import ROOT, read_entry, read_id
from agent.audit.read import LONGEST_LINE, read_document
from agent.audit.values import read_config, read_number, same


@pytest.mark.parametrize(
    ("header", "iteration", "status"),
    [
        ("## Iter 5: partial", 5, "partial"),
        ("### Iter 61: converged — NEW BEST seed=7000", 61, "converged"),
        ("## Iter 7: failed (n=400)", 7, "failed"),
        ("## Iter 65: partial (duplicate of iter 61)", 65, "partial"),
        ("## Iteration 9 - **Converged**", 9, "converged"),
        ("## **Iter 9: [failed]**", 9, "failed"),
        ("## Iter 3", 3, None),
    ],
)
def test_decorated_headers(header: str, iteration: int, status: str | None) -> None:
    (section,) = read_document(f"{header}\nNode: id=1, parent=root\n".encode()).sections
    entry, _ = read_entry(section)
    assert (entry.iteration, entry.status, entry.node, entry.parent) == (iteration, status, 1, ROOT)


@pytest.mark.parametrize(
    "row", ["## Iter N: [converged/failed]", "## Iter 1-12: summary", "## Iterations 3: all", "> ## Iter 5: failed"]
)
def test_what_is_no_entry(row: str) -> None:
    assert read_document(f"{row}\nNode: id=1, parent=root\n".encode()).sections == []


def test_a_header_without_a_number_is_told_and_ends_the_entry_before() -> None:
    document = read_document(
        b"## Iter 1: failed\nNode: id=1, parent=root\n\n## Iter two: failed\nNode: id=2, parent=1\n"
    )
    assert [section.fields["Node"].text for section in document.sections] == ["id=1, parent=root"]
    assert [(finding.code, finding.lines) for finding in document.findings] == [("line-unreadable", (4,))]


def test_labels_in_bold_or_as_items_and_lines_in_between() -> None:
    text = "## Iter 1: failed\n**Node:** id=1, parent=root\n- Config: a=1\nsome prose\nNEXT: parent=1\nmore prose\n"
    document = read_document(text.encode())
    fields = document.sections[0].fields
    assert [(label, field.line, field.text) for label, field in fields.items()] == [
        ("Node", 2, "id=1, parent=root"),
        ("Config", 3, "a=1"),
        ("Next", 5, "parent=1"),
    ]
    assert [(finding.code, finding.lines) for finding in document.findings] == [("lines-ignored", (4,))]


def test_windows_line_ends_a_byte_order_mark_and_no_final_newline() -> None:
    data = "\ufeff## Iter 1: partial\r\nNode: id=1, parent=root\r\nNext: parent=1".encode()
    document = read_document(data)
    assert document.lines == 3
    assert document.sections[0].fields["Next"].text == "parent=1"
    assert document.findings == []


def test_bytes_that_are_no_text_and_huge_lines_are_told_with_their_lines() -> None:
    data = (
        b"## Iter 1: partial\nNode: id=1, parent=root\nObservation: \xff\x00\nConfig: a=1"
        + b" x" * LONGEST_LINE
        + b"\n"
    )
    findings = read_document(data).findings
    assert [(finding.code, finding.lines) for finding in findings] == [
        ("line-unreadable", (4,)),
        ("line-unreadable", (3,)),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("root", ROOT), ("None", ROOT), ("0", ROOT), ("12", 12), ("node12", 12), ("12.", 12), ("x", None), ("-3", None)],
)
def test_ids(text: str, value: int | None) -> None:
    assert read_id(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("4.843e+02", 484.3), ("-1.027E+28", -1.027e28), ("9.5e-05", 9.5e-5), (".5", 0.5), ("5.", 5.0), ("~30", 30.0)]
    + [(word, None) for word in ("nan", "N/A", "1e999", "", "1_000", "0x10", "١")],
)  # fmt: skip
def test_numbers(text: str, value: float | None) -> None:
    assert read_number(text) == value


def test_config_values_and_aliases() -> None:
    text = "seed=137, learning_rate_W_start=3E-3, L1=1e-05, recurrent=F, rank=N/A, two-phase (c=2), mode: mlp"
    config = read_config(text)
    assert config == {"seed": 137, "lr_W": 0.003, "coeff_W_L1": 1e-5, "recurrent": False, "mode": "mlp"}
    assert same(config["coeff_W_L1"], 1e-5)
    assert not same(False, 0.0)


def test_next_with_reasons() -> None:
    for text, want in [
        ("parent=4 (highest UCB=2.3), try lr=1", 4),
        ("parent = node 4", 4),
        ("parent=root", ROOT),
        ("root", ROOT),
        ("something else", None),
    ]:
        (section,) = read_document(f"## Iter 9: failed\nNode: id=9, parent=1\nNext: {text}\n".encode()).sections
        entry, findings = read_entry(section)
        assert entry.next_parent == want
        assert ("line-unreadable" in {finding.code for finding in findings}) == (want is None)


def test_values_that_go_on_indented_after_a_comma_belong_to_the_line() -> None:
    log = "## Iter 1: partial\nNode: id=1, parent=root\nConfig: lr_W=6E-4, lr=1E-3,\n"
    log += "        batch_size=4,\n\tn_epochs=2\n"
    log += "        seed=5\nMutation: none\n"
    (section,) = read_document(log.encode()).sections
    entry, _ = read_entry(section)
    assert entry.config == read_config("lr_W=6E-4, lr=1E-3, batch_size=4, n_epochs=2")
    assert section.others == [6]
    assert section.fields["Config"].line == 3


@pytest.mark.parametrize(
    "row", ["batch_size=4", "        Mutation: batch_size: 2 -> 4", "        a remark without values"]
)
def test_what_does_not_go_on(row: str) -> None:
    log = (
        f"## Iter 1: partial\nNode: id=1, parent=root\nConfig: lr_W=6E-4,\n{row}\n        n_epochs=2\nNext: parent=1\n"
    )
    (section,) = read_document(log.encode()).sections
    entry, _ = read_entry(section)
    assert entry.config == read_config("lr_W=6E-4")
