"""A look over the fleet says what each project would release, and lets nobody's trouble stop the others."""

import subprocess

import pytest

from gare.cli.app import run
from gare.config.loader import load_station
from gare.wiring import Gare


def repository(folder, *commits):
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    for message in commits:
        git = ["git", "-C", folder, "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        is_tag = message.startswith("v")
        words = ["tag", message] if is_tag else ["commit", "-q", "--allow-empty", "-m", message]
        subprocess.run([*git, *words], check=True)


@pytest.fixture
def station(tmp_path, monkeypatch):
    (tmp_path / "projects").mkdir()
    (tmp_path / "station.yaml").write_text("people: []\n")
    for name in ("cart", "search", "absent"):
        text = f"name: {name}\nsource: {{path: ../{name}, remote: ''}}\n"
        (tmp_path / "projects" / f"{name}.yaml").write_text(text)
    repository(tmp_path / "cart", "feat: first", "v1.2.0", "feat: pay by card, CART-7", "fix: rounding")  # fmt: skip
    repository(tmp_path / "search", "feat: first", "v0.3.0")
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    return tmp_path


def test_each_project_tells_its_next_version_or_why_it_has_none(station):
    gare = Gare(load_station(station))
    found = {prospect.project: prospect for prospect in gare.drafting.look_over()}
    cart = found["cart"].span
    assert (cart.since_version, cart.next.version, len(cart.changes)) == ("1.2.0", "1.3.0", 2)
    assert found["search"].span is None
    assert found["search"].is_answer
    assert "no commit since 0.3.0" in found["search"].why
    assert not found["absent"].is_answer
    assert "does not exist" in found["absent"].why


def test_it_is_what_a_plan_says(station):
    from gare.requests import ReleaseRequest

    gare = Gare(load_station(station))
    [cart] = [one.span for one in gare.drafting.look_over() if one.project == "cart"]
    _, plan = gare.drafting.make(ReleaseRequest(project="cart"))
    assert (plan.version, plan.commit, plan.previous_tag, [c.sha for c in plan.commits]) == (
        cart.next.version, cart.head.commit, cart.since_tag, [c.sha for c in cart.changes],
    )  # fmt: skip


def test_gare_fleet_prints_a_line_for_each(station, capsys):
    assert run(["fleet"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["cart"].split() == ["cart", "1.2.0", "1.3.0", "minor", "2", "CART-7"]
    assert "does not exist" in lines["absent"]
