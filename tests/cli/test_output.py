"""What commands print: nothing that steers a terminal, tables that fit, one spelling of JSON."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.cli.output import (
    clean,
    clean_block,
    cut,
    print_json,
    print_table,
    table,
    to_json,
    width,
)
from gare.reports.lengths import elapsed


@given(st.text(alphabet=st.characters()))
def test_clean_text_holds_nothing_a_terminal_obeys(text):
    said = clean(text)
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in said)
    assert "\u202e" not in said
    assert "\n" not in said


def test_clean_block_keeps_lines_and_nothing_else():
    assert clean_block("a\r\n\tb\x1b[1m\rc") == "a\n\tb\\x1b[1m\\rc"


def test_a_reason_of_several_lines_is_told_in_one():
    assert clean("R-4 failed: no\r\n\n  at line 3\n") == "R-4 failed: no at line 3"


def test_clean_keeps_what_people_write():
    assert clean("Né 東京 👩‍🚀 e\u0301") == "Né 東京 👩‍🚀 e\u0301"


def test_table_is_aligned_by_what_is_seen():
    assert table(("id", "title"), [("R-1", "東京"), ("R-22", "x\n")]) == (
        "id    title\nR-1   東京\nR-22  x"
    )


@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=200)), max_size=5))
def test_table_fits_the_columns(rows):
    for line in table(("one", "two"), rows, columns=40).split("\n"):
        assert width(line) <= 40


def test_without_a_terminal_nothing_is_cut():
    stream = io.StringIO()
    print_table(("a",), [("x" * 500,)], stream)
    assert stream.getvalue() == "a\n" + "x" * 500 + "\n"


def test_cut_says_that_something_is_missing():
    assert cut("abcdef", 4) == "abc…"
    assert cut("東京都", 4) == "東…"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0s"),
        (0.44, "0.4s"),
        (9.96, "10s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (7800, "2h 10m"),
        (356400, "4d 3h"),
    ],
)
def test_elapsed(seconds, said):
    assert elapsed(seconds) == said


def test_json_has_one_spelling_and_survives_any_text():
    stream = io.StringIO()
    print_json({"b": "é\udc80", "a": 1}, stream)
    assert stream.getvalue() == '{\n  "a": 1,\n  "b": "é\\udc80"\n}\n'
    assert json.loads(to_json({"x": "\x1b"})) == {"x": "\x1b"}
