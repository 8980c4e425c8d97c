# ruff: noqa: E501 (a row of a table, or a whole message, is one line)
from gare.domain.facts import Check, Verdict
from gare.gates.report import column_of, spell, to_html, to_markdown, wanted

EVIL = "a|b\n<img src=x onerror=alert(1)> `c` [d](e) &amp; *f*\x00\u202e"
CHECK = Check("expect_x", "c", False, "critical", EVIL, "max_value: 3", 2, samples=(EVIL,), facts="t")  # fmt: skip
VERDICT = Verdict("tests", "t", "failed", (CHECK,), EVIL, "Do they hold?")


def test_markdown_keeps_one_line_and_one_cell_for_what_comes_from_outside() -> None:
    text = to_markdown([VERDICT])
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.replace("\\|", "").count("|") for row in rows] == [5, 5, 5, 6, 6, 6]
    assert "<img" not in text
    assert "&amp;amp;" in text
    assert not set(text) & {"\x00", "\u202e", "\r"}


def test_the_page_runs_nothing_and_needs_nothing() -> None:
    page = to_html([VERDICT], title="<script>")
    assert "<img" not in page
    assert "<script" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page
    assert "max_value: 3" in page
    assert "critical" in page


def test_a_warning_is_told_and_does_not_block() -> None:
    warning = Check("expect_x", "c", False, "warning", "1", "2")
    assert not warning.blocks
    assert "not met (warning)" in to_markdown([Verdict("g", "t", "passed", (warning,))])


def test_what_could_not_be_told_blocks_whatever_its_severity() -> None:
    assert Check("expect_x", "c", False, "info", "", "", error="could not tell").blocks


def test_verdicts_survive_json() -> None:
    assert Verdict.from_json(VERDICT.as_json()) == VERDICT


def test_spells_values_for_people() -> None:
    assert spell([True, None, 0.5, {"a": float("nan")}]) == "[true, nothing, 0.5, {a: nothing}]"
    assert spell("x" * 500) == "x" * 159 + "…"
    assert spell("a\nb") == "a b"


def test_spells_arguments_and_conditions() -> None:
    condition = {
        "type": "or",
        "conditions": [
            {"type": "comparison", "column": {"name": "kind"}, "operator": "IN", "parameter": ["a"]},
            {"type": "nullity", "column": {"name": "scope"}, "is_null": False},
        ],
    }  # fmt: skip
    arguments = {"column": "c", "value_set": [1], "mostly": 0.9, "severity": "info", "row_condition": condition}  # fmt: skip
    assert wanted(arguments) == (
        "value_set: [1], mostly: 0.9, where kind IN [a] or scope is not empty"
    )
    assert column_of({"column_A": "a", "column_B": "b"}) == "a, b"
    assert column_of({"column_list": ["a", "b", "c"]}) == "a, b, c"
    assert column_of({"value": 1}) == ""
