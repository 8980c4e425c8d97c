"""Which versions one can go back to, and which were rolled back and have not come again."""

from datetime import UTC, datetime

import pytest

from gare.domain.plan import Kind
from gare.domain.standing import Verified, good_versions, rolled_back


def was(said: str) -> Verified:
    """Read `1.2.0` as a release of it, `back to 1.2.0` as a rollback."""
    version = said.removeprefix("back to ")
    kind = Kind.RELEASE if said == version else Kind.ROLLBACK
    return Verified(version, f"R of {said}", kind, datetime(2026, 3, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("history", "good", "gone"),
    [
        ([], [], {}),
        (["1.0.0", "1.1.0"], ["1.0.0", "1.1.0"], {}),
        (["1.0.0", "1.1.0", "back to 1.0.0"], ["1.0.0"], {"1.1.0": "back to 1.0.0"}),
        (
            ["1.0.0", "1.1.0", "1.2.0", "back to 1.0.0"],
            ["1.0.0"],
            {"1.1.0": "back to 1.0.0", "1.2.0": "back to 1.0.0"},
        ),
        # It came again; or a greater version did, which has it.
        (["1.0.0", "1.1.0", "back to 1.0.0", "1.1.0"], ["1.0.0", "1.1.0"], {}),
        (["1.0.0", "1.1.0", "back to 1.0.0", "1.1.1"], ["1.0.0", "1.1.1"], {}),
        # A fix of the older line has not.
        (
            ["1.0.0", "1.1.0", "back to 1.0.0", "1.0.1"],
            ["1.0.0", "1.0.1"],
            {"1.1.0": "back to 1.0.0"},
        ),
        (
            ["1.0.0", "1.1.0", "back to 1.0.0", "1.1.0", "back to 1.0.0"],
            ["1.0.0"],
            {"1.1.0": "back to 1.0.0"},
        ),
        # What brought it along was rolled back, too.
        (
            ["1.0.0", "1.1.0", "back to 1.0.0", "1.2.0", "back to 1.0.0"],
            ["1.0.0"],
            {"1.1.0": "back to 1.0.0", "1.2.0": "back to 1.0.0"},
        ),
        (
            ["1.0.0", "1.1.0", "back to 1.0.0", "1.2.0", "1.3.0", "back to 1.2.0"],
            ["1.0.0", "1.2.0"],
            {"1.3.0": "back to 1.2.0"},
        ),
    ],
)
def test_a_rollback_takes_out_what_came_after_its_version(history, good, gone):
    every = [was(said) for said in history]
    assert [one.version for one in good_versions(every)] == good
    assert rolled_back(every) == {version: f"R of {by}" for version, by in gone.items()}
