"""How long a vendor asks to wait, in every spelling, and what its refusals become."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from gare import masking
from gare.connectors.http_policy import HttpPolicy, retry_after_s
from gare.connectors.vendor_errors import refusal
from gare.errors import (
    AuthenticationFailed,
    Conflict,
    NotFound,
    PermissionDenied,
    Unavailable,
    UnexpectedReply,
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry-After": "12"}, 12),
        ({"Retry-After": "soon"}, 0),
        ({"RateLimit-Remaining": "3", "RateLimit-Reset": "9999999999"}, 0),
    ],
)
def test_what_is_asked_in_plain_seconds(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_what_is_asked_as_an_instant():
    at = datetime.now(UTC) + timedelta(seconds=60)
    assert 55 < retry_after_s({"Retry-After": format_datetime(at, usegmt=True)}) <= 60
    past = format_datetime(at - timedelta(days=1), usegmt=True)
    assert retry_after_s({"Retry-After": past}) == 0
    reset = {"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(time.time()) + 30)}
    assert 25 < retry_after_s(reset) <= 30


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UnexpectedReply),
        (401, AuthenticationFailed),
        (403, PermissionDenied),
        (404, NotFound),
        (409, Conflict),
        (410, NotFound),
        (500, Unavailable),
    ],
)
def test_a_refusal_by_its_status(status, kind):
    assert type(refusal(status, "no", where="there")) is kind


def test_a_secret_in_a_vendors_words_is_masked():
    masking.register("glpat-in-an-answer")
    assert "glpat" not in str(refusal(400, "token glpat-in-an-answer is odd", where="there"))


def test_certificates_are_always_verified(tmp_path):
    session = requests.Session()
    session.verify = False
    HttpPolicy("GitLab", "https://gitlab.example.com", "X-Request-Id").govern(session)
    assert session.verify is True
    own = HttpPolicy("GitLab", "https://gitlab.example.com", "X-Request-Id", ca_file="own.pem")
    own.govern(session)
    assert session.verify == "own.pem"
