"""Boundaries as the crash matrix finds them: the same names in every run of the same releases."""

from gare import boundaries


def test_a_boundary_has_no_release_number_in_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv(boundaries.VARIABLE, str(tmp_path))
    (tmp_path / "armed").mkdir()
    boundaries.reached("before act change-open change ticket gare-shop-R-12")
    (line,) = (tmp_path / "trace").read_text().splitlines()
    assert line.endswith(" | before act change-open change ticket gare-shop-R")


def test_a_boundary_that_nobody_watches_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.delenv(boundaries.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    boundaries.reached("before act publish tag v1.1.0")
    assert list(tmp_path.iterdir()) == []
