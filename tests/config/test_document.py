"""A file that is no readable YAML mapping is refused with one clear sentence."""

# ruff: noqa: E501 - tables of whole messages, one row each

import time

import pytest

from gare.config.document import read_document
from gare.errors import ConfigError

UNREADABLE = [
    (b"", "f.yaml:1: the file is empty. Write `name: …` first; `gare init` writes a full one."),
    (b"# only this\n", "f.yaml:1: the file is empty. Write `name: …` first; `gare init` writes a full one."),
    (b"- a\n- b\n", "f.yaml:1: the file is no mapping. Write `key: value` lines at the top level."),
    (b"word\n", "f.yaml:1: the file is no mapping. Write `key: value` lines at the top level."),
    (b"a:\n\tb: 1\n", "f.yaml:2: a tab indents this line. Write spaces."),
    (b"a: [1\nb: 2\n", "f.yaml:2: a bracket is opened and not closed. Write `[a, b]` or `{key: value}`."),
    (b"a: b: c\n", "f.yaml:1: a second `: ` stands in this line, or the indentation is wrong. Put the value in quotes, or indent the key as its neighbours."),
    (b"a: @b\n", "f.yaml:1: a value starts with a character that YAML keeps for itself. Put the value in quotes."),
    (b"a: 'b\n", "f.yaml:2: a quote is opened and never closed. Close the quote."),
    (b"a:\n  b: 1\n c: 2\n", "f.yaml:3: the indentation does not fit the lines above. Indent keys of one section by the same number of spaces."),
    (b"a: *b\n", "f.yaml:1: an alias names no anchor. Write the value out."),
    (b"a: 1\n---\nb: 2\n", "f.yaml:2: a second document starts here. Keep one document a file; take `---` out."),
    (b"a: \x01\n", "f.yaml:1: the line holds a character that no text has. Delete the character."),
    (b"a: 1\nb: caf\xe9\n", "f.yaml:2: this is no UTF-8 text. Save the file as UTF-8."),
    ("a: 1\n".encode("utf-16"), "f.yaml:1: this is no UTF-8 text. Save the file as UTF-8."),
    (b"a: " + b"[" * 5000, "f.yaml:1: values are nested more than 30 deep. Write it flatter."),
    (b"a: &a [*a]\n", "f.yaml:1: values are nested more than 30 deep. Write it flatter."),
    (b"a: 1\n" + b"#" * 1024 * 1024, "f.yaml: the file is larger than 1 MiB. Split it; this is no configuration."),
]  # fmt: skip


@pytest.mark.parametrize(("data", "said"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_file_that_cannot_be_read(tmp_path, monkeypatch, data, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.yaml").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_document(tmp_path / "f.yaml")
    assert str(caught.value) == said


def test_absent_file_and_folder_in_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_document(tmp_path / "f.yaml")
    assert str(caught.value) == "f.yaml: there is no such file. Create it, or correct the path."
    (tmp_path / "f.yaml").mkdir()
    with pytest.raises(ConfigError) as caught:
        read_document(tmp_path / "f.yaml")
    assert str(caught.value) == "f.yaml: this is a folder. Put a YAML file in its place."


def test_an_alias_bomb_ends_quickly(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    (tmp_path / "f.yaml").write_text("\n".join(lines))
    started = time.monotonic()
    with pytest.raises(ConfigError, match="aliases make this file too large"):
        read_document(tmp_path / "f.yaml")
    assert time.monotonic() - started < 5


def test_problems_inside_are_collected_with_their_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "a: 1\nb:\n  c: !!python/name:os.system x\n  c: 2\na: 3\nbase: &base {k: v}\nd:\n  <<: *base\n? [x]\n: y\n"
    (tmp_path / "f.yaml").write_text(text)
    assert [str(problem) for problem in read_document(tmp_path / "f.yaml").problems] == [
        "f.yaml:3: b.c: the tag `tag:yaml.org,2002:python/name:os.system` is not known. Write a plain value.",
        "f.yaml:4: b.c: the key is written twice. Keep one of them.",
        "f.yaml:5: a: the key is written twice. Keep one of them.",
        "f.yaml:8: d: YAML 1.2 has no merge key `<<`. Write the keys out.",
        "f.yaml:9: a key is no text. Write `key: value`.",
    ]


def test_values_are_those_of_yaml_1_2(tmp_path):
    text = (
        "\ufeffa: yes\nb: true\nc: 0o17\nd: 0x1f\ne: 1.5\nf: ~\ng: 2026-01-02\nh: '1'\ni: 012\n"
        "j: &x {k: [1, -2]}\nl: *x\nm: |\n  two\n  lines\n"
    )
    (tmp_path / "f.yaml").write_text(text, encoding="utf-8")
    assert read_document(tmp_path / "f.yaml").data == {
        "a": "yes", "b": True, "c": 15, "d": 31, "e": 1.5, "f": None, "g": "2026-01-02", "h": "1", "i": 12,
        "j": {"k": [1, -2]}, "l": {"k": [1, -2]}, "m": "two\nlines\n",
    }  # fmt: skip
