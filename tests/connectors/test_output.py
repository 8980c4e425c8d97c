"""Bytes of a program become clean lines, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.connectors.output import LINE_LIMIT, LineCutter
from gare.masking import Mask


def lines(*chunks: bytes, secrets: tuple[str, ...] = ()) -> list[str]:
    cutter = LineCutter(Mask(secrets))
    found = [line for chunk in chunks for line in cutter.feed(chunk)]
    return [*found, *cutter.end()]


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ((b"a\nb\n",), ["a", "b"]),
        ((b"a\n\nb",), ["a", "", "b"]),
        ((b"a\r\nb\r\n",), ["a", "b"]),
        ((b"a\r", b"\nb"), ["a", "b"]),
        ((b"10%\r50%\r100%\n",), ["100%"]),
        ((b"10%\r50%\r100%\r\nnext\n",), ["100%", "next"]),
        ((b"\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07\n",), ["red link"]),
        ((b"bell\x07 null\x00 back\x08\n",), ["bell null back"]),
        (("é".encode()[:1], "é".encode()[1:] + b"\n"), ["é"]),
        ((b"bad \xff byte\n",), ["bad � byte"]),
        (("right\u202eleft\n".encode(),), ["rightleft"]),
        ((b"a\tb  \n",), ["a\tb"]),
        ((b"x" * (LINE_LIMIT + 7) + b"\n",), ["x" * LINE_LIMIT + "… (7 more characters)"]),
    ],
)
def test_lines_are_clean(chunks: tuple[bytes, ...], wanted: list[str]) -> None:
    assert lines(*chunks) == wanted


def test_a_line_that_never_ends_needs_no_endless_memory() -> None:
    cutter = LineCutter(Mask())
    found = [line for _ in range(100) for line in cutter.feed(b"x" * 10_000)]
    assert len(found) >= 10
    assert len(cutter._pending) < 100_000


def test_a_progress_bar_without_line_breaks_keeps_its_last_state() -> None:
    assert lines(*(b"%d %%\r" % n for n in range(30_000)), b"done\n") == ["done"]


@given(st.binary(max_size=200), st.data())
def test_where_the_bytes_are_cut_does_not_matter(text: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert lines(*chunks) == lines(text)


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_secret_is_masked_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    text = b"password: correct horse \x1b[1mbat\x1b[0mtery\r\n"
    cuts = sorted(cut for cut in cuts if cut < len(text))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert lines(*chunks, secrets=("correct horse battery",)) == ["password: ***"]


def test_a_secret_across_the_cut_of_a_long_line_is_masked() -> None:
    secret = "s3cret-value"
    text = "x" * (64 * 1024 - 5) + secret + "y" * 70_000
    assert secret[:6] not in "".join(
        lines(*[text[i : i + 1000].encode() for i in range(0, len(text), 1000)], secrets=(secret,))
    )
