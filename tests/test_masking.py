"""Secrets do not reach what people read, in the spellings they travel in."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare import masking
from gare.masking import Mask

SECRET = 'p@ss/w"ör d+1'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps({"password": SECRET}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
        repr([SECRET]),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
        *(base64.b64encode(f"{user}:{SECRET}".encode()).decode() for user in ("a", "ab", "abc")),
    ],
)
def test_a_secret_is_masked_in_its_common_spellings(text: str) -> None:
    masked = Mask([SECRET]).apply(f"before {text} after")
    assert "***" in masked
    assert masked.startswith("before ")
    assert text not in masked


@given(st.text(min_size=8, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    value = secret.strip("\r\n")
    if len(value) >= 8 and value not in "***":
        assert value not in Mask([secret]).apply(f"{before}{value}{after}").replace("***", "")


def test_each_line_of_a_key_file_is_masked() -> None:
    key = "-----BEGIN KEY-----\nabcdefgh12345\n-----END KEY-----\n"
    assert Mask([key]).apply("got abcdefgh12345") == "got ***"


def test_a_short_value_is_left_alone_and_it_is_said_why() -> None:
    mask = Mask(["ab", "long enough"])
    assert mask.apply("ab long enough") == "ab ***"
    assert mask.ignored == ("a secret of 2 characters is too short to be masked",)


def test_no_secret_means_no_change() -> None:
    assert Mask().apply("a.*b") == "a.*b"
    assert Mask([""]).apply("abc") == "abc"


def test_of_two_secrets_the_longer_wins() -> None:
    assert Mask(["abcd", "abcdefgh"]).apply("x abcdefgh y") == "x *** y"


def test_a_registered_value_is_masked_from_then_on() -> None:
    assert masking.current().apply("zq-registered-1") == "zq-registered-1"
    masking.register("zq-registered-1")
    assert masking.current().apply("zq-registered-1") == "***"
