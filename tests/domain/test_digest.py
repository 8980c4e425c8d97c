"""One spelling per value."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.domain.digest import canonical, digest, sha256

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(values)
def test_what_is_spelled_reads_back_and_is_spelled_the_same(value):
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(value):
    assert digest(value) == digest(dict(reversed(value.items())))


def test_the_spelling_is_the_documented_one():
    assert (
        canonical({"b": [1, 2.5, None, True], "a": "é\n\x00"})
        == '{"a":"é\\n\\u0000","b":[1,2.5,null,true]}'
    )
    assert (
        sha256("é") == "sha256:" + hashlib.sha256("é".encode()).hexdigest() == sha256("é".encode())
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", object()])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        canonical({"value": value})
