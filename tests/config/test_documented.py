"""The files shown in docs/how-to/configure.md are real: they load together."""

import re
from pathlib import Path

from gare.config.loader import load_station

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "configure.md"


def test_examples_of_the_page_load(tmp_path):
    station, project = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "acme").mkdir()
    (tmp_path / "shop").mkdir()
    (tmp_path / "acme" / "station.yaml").write_text(station)
    (tmp_path / "shop" / "gare.yaml").write_text(project)
    loaded = load_station(tmp_path / "acme")
    assert loaded.project("shop").base.resolve() == tmp_path / "shop"
    assert [step.id for step in loaded.project().config.steps] == ["migrate", "call-support"]
