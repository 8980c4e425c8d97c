"""The prepared database of a new station."""

import pytest

from deployments.seed import plant, seed_file
from gare.station_state import StateFolder


def test_a_station_that_has_a_database_keeps_it(tmp_path):
    folder = StateFolder(tmp_path)
    folder.prepare()
    (folder.prefect / "prefect.db").write_text("mine")
    assert not plant(folder)
    assert (folder.prefect / "prefect.db").read_text() == "mine"


@pytest.mark.skipif(
    not seed_file().exists(), reason="`python -m deployments.seed` was not run here"
)
def test_a_new_station_gets_a_copy(tmp_path):
    folder = StateFolder(tmp_path)
    folder.prepare()
    assert plant(folder)
    assert (folder.prefect / "prefect.db").read_bytes() == seed_file().read_bytes()
