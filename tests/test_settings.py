"""Lengths of time: spelled as people write them, and read again as the same."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gare.settings import Duration, short_duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "1m30s"), (3600, "1h"), (5400, "1h30m"), (180000, "2d2h")]
)
def test_a_length_of_time_is_spelled_as_people_write_it(seconds, text):
    assert short_duration(timedelta(seconds=seconds)) == text


@given(st.integers(0, 100 * 365 * 86400))
def test_what_is_spelled_is_read_as_the_same(seconds):
    length = timedelta(seconds=seconds)
    assert TypeAdapter(Duration).validate_python(short_duration(length)) == length
