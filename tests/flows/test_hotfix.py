"""Hotfixes on the real engine: released at once, before what waits; nobody may lose the fix afterwards."""

import pytest
from waiting import wait_until

from gare.domain.fixes import FixState
from gare.domain.releases import ReleaseState

pytestmark = pytest.mark.engine


def test_a_hotfix_is_released_on_the_last_version_with_a_branch_and_the_lines_are_known(shop):
    fix = shop.commit("fix: wrong total\n\nRefs SHOP-9", "total.py")
    said = shop.run(
        "hotfix", shop.name, "--commit", fix[:10], "--reason", "wrong totals", person="alice"
    )
    assert f"{shop.name} 1.0.1: 1 commit on v1.0.0, plan sha256:" in said
    release = shop.last()
    assert (release.kind, release.state, release.version) == (
        "hotfix",
        ReleaseState.RELEASED,
        "1.0.1",
    )
    assert (shop.production / "current" / "version.txt").read_text() == "1.0.1"
    commit = shop.gare().plan(release.plan).commit
    published = shop.git("ls-remote", "origin")
    assert f"{commit}\trefs/heads/hotfix/1.0.1" in published
    assert f"{commit}\trefs/tags/v1.0.1^{{}}" in published
    assert "the second thing" not in shop.git("show", "--stat", commit)
    [row] = shop.gare().ledger.fixes.of(shop.name)
    assert (row.line, row.state, row.commit) == ("main", FixState.MERGED, fix)
    assert shop.git("for-each-ref", "refs/gare") == "", "the tag has the commit now"
    shop.assert_once()
    shop.run("audit", "verify")


def stands(shop, release_id):
    return shop.gare().ledger.releases.get(release_id)


def approve(shop, release_id):
    """Let bob say yes as soon as the release asks."""
    approvals = shop.gare().ledger.approvals
    wait_until(lambda: approvals.get(release_id, "approve-production") is not None)
    shop.run("approve", release_id, "--env", "production", person="bob")


def test_a_release_that_waits_for_votes_gives_way_and_is_planned_anew_with_the_fix(shop):
    shop.configure_approval("{groups: {qa: 1}}")
    shop.release()
    first = shop.wait_for(ReleaseState.WAITING)
    fix = shop.commit("fix: wrong total", "total.py")
    shop.run("hotfix", shop.name, "--commit", fix, "--no-follow", person="alice")
    hotfix_id = shop.last().id
    wait_until(lambda: stands(shop, hotfix_id).state is ReleaseState.WAITING)
    place = f"queued behind {hotfix_id} ({shop.name}/production and the version line), place 1 of 1"
    assert f"It is {place}" in shop.run("why", first.id)
    approve(shop, hotfix_id)
    wait_until(lambda: stands(shop, hotfix_id).state is ReleaseState.RELEASED)
    assert stands(shop, hotfix_id).version == "1.0.1"
    wait_until(lambda: stands(shop, first.id).plan != first.plan)
    approve(shop, first.id)
    wait_until(lambda: stands(shop, first.id).state is ReleaseState.RELEASED)
    again = stands(shop, first.id)
    assert (again.version, again.plan == first.plan) == ("1.1.0", False)
    assert shop.gare().plan(again.plan).commit == fix
    kinds = [event.kind for event in shop.gare().ledger.database.events(first.id)]
    assert kinds.index("lock freed") < kinds.index("planned anew")
    assert kinds.count("approval asked") == 2
    assert (shop.production / "current" / "version.txt").read_text() == "1.1.0"
    shop.run("audit", "verify")
    bundle = str(shop.root / f"{shop.name}.zip")
    shop.run("evidence", first.id, "-o", bundle)
    assert "sound" in shop.run("evidence", "verify", bundle)


def test_a_release_that_would_lose_the_fix_is_refused_until_somebody_answers_for_it(shop):
    fix = shop.commit("fix: wrong total", "total.py")
    shop.git("branch", "maintenance", fix)
    shop.git("reset", "-q", "--hard", "HEAD^")
    shop.git("push", "-q", "--force", "origin", "main", "maintenance")
    hotfix_id = shop.run("hotfix", shop.name, "--commit", fix, person="alice") and shop.last().id
    said = shop.release(code=3)
    assert f"1.1.0 would lose {fix[:12]} (fix: wrong total) of 1.0.1: it is not in main at" in said
    assert f"gare fixes waive {hotfix_id} main --reason" in said
    table = shop.run("fixes", shop.name)
    assert "main" in table
    assert "missing" in table
    said = shop.run(
        "fixes", "waive", hotfix_id, "main", "--reason", "done otherwise", person="alice"
    )
    assert (
        said == f"{hotfix_id}: main goes without {fix[:12]} (fix: wrong total), on alice's word.\n"
    )
    assert "waived" in shop.run("fixes", shop.name)
    shop.release()
    assert (shop.last().version, shop.last().state) == ("1.1.0", ReleaseState.RELEASED)


def test_one_that_was_overtaken_and_would_lose_the_fix_stands_still_until_somebody_answers(shop):
    rule = "hotfix: {approval: {groups: {managers: 1}, requester_may_vote: true}, skip: [{step: test, later: Test it}]}"
    shop.configure(f"    approval: {{groups: {{qa: 1}}}}\n{rule}\n")
    shop.release()
    first = shop.wait_for(ReleaseState.WAITING)
    fix = shop.commit("fix: wrong total", "total.py")
    shop.git("branch", "maintenance", fix)
    shop.git("reset", "-q", "--hard", "HEAD^")
    shop.git("push", "-q", "--force", "origin", "main", "maintenance")
    shop.run("hotfix", shop.name, "--commit", fix, "--until-waiting", person="alice")
    hotfix_id = shop.last().id
    shop.run("approve", hotfix_id, "--env", "production", person="alice")
    wait_until(lambda: stands(shop, first.id).state is ReleaseState.FAILED)
    assert f"1.1.0 would lose {fix[:12]} (fix: wrong total) of 1.0.1" in stands(shop, first.id).end
    assert f"gare fixes waive {hotfix_id} main" in shop.run("why", first.id)
    assert f"later: {hotfix_id} skipped test: Test it" in shop.run("status")
    assert "checked by alice" in shop.run("done", hotfix_id, "test", person="alice")
    assert "later:" not in shop.run("status", "--project", shop.name)
    shop.run("fixes", "waive", hotfix_id, "main", "--reason", "done otherwise", person="alice")
    shop.run("resume", first.id, "--no-follow", person="alice")
    approve(shop, first.id)
    wait_until(lambda: stands(shop, first.id).state is ReleaseState.RELEASED)
    assert stands(shop, first.id).plan == first.plan, "it goes on where it stood"
    shop.run("audit", "verify")


def boarded(shop):
    """Let the project depart with a train; return the train and its member, which waits for votes."""
    (shop.root / "trains").mkdir(exist_ok=True)
    name = f"t{shop.name[-30:]}"
    (shop.root / "trains" / f"{name}.yaml").write_text(f"name: {name}\nmembers: [{shop.name}]\n")
    shop.run("train", "depart", name, "--no-follow", person="alice")
    [train] = shop.gare().ledger.releases.find(project=f"train:{name}")
    wait_until(lambda: shop.gare().ledger.releases.members(train.id))
    [member] = shop.gare().ledger.releases.members(train.id)
    wait_until(lambda: stands(shop, member.id).state is ReleaseState.WAITING)
    return train, member


def test_a_member_of_a_train_is_held_for_the_hotfix_and_goes_on_with_its_votes(shop):
    fix = shop.commit("fix: wrong total", "total.py")
    shop.configure_approval("{groups: {qa: 1}}")
    train, member = boarded(shop)
    shop.run("hotfix", shop.name, "--commit", fix, "--until-waiting", person="alice")
    hotfix_id = shop.last().id
    queued = (
        f"queued behind {hotfix_id} ({shop.name}/production and the version line), place 1 of 1"
    )
    assert queued in shop.run("why", member.id)
    shop.run("approve", member.id, "--env", "production", person="bob")
    approve(shop, hotfix_id)
    wait_until(lambda: stands(shop, train.id).state is ReleaseState.RELEASED, timeout_s=120)
    assert stands(shop, hotfix_id).state is ReleaseState.RELEASED
    released = stands(shop, member.id)
    assert (released.state, released.plan) == (ReleaseState.RELEASED, member.plan)
    assert {"v1.0.1", "v1.1.0"} <= set(shop.git("tag").splitlines())


def test_a_member_that_boarded_without_the_fix_is_released_again_with_it(shop):
    shop.configure_approval("{groups: {qa: 1}}")
    train, member = boarded(shop)
    fix = shop.commit("fix: wrong total", "total.py")
    shop.run("hotfix", shop.name, "--commit", fix, "--until-waiting", person="alice")
    hotfix_id = shop.last().id
    approve(shop, hotfix_id)
    wait_until(lambda: stands(shop, member.id).state is ReleaseState.FAILED, timeout_s=120)
    end = stands(shop, member.id).end
    assert end.count(f"1.1.0 would lose {fix[:12]} (fix: wrong total) of 1.0.1") == 1
    again = f"gare train resume {train.id} --again {shop.name}"
    assert again in shop.run("why", member.id)
    shop.run(*again.split()[1:], person="alice")
    wait_until(lambda: len(shop.gare().ledger.releases.members(train.id)) == 2)
    _, second = shop.gare().ledger.releases.members(train.id)
    approve(shop, second.id)
    wait_until(lambda: stands(shop, train.id).state is ReleaseState.RELEASED, timeout_s=120)
    former = stands(shop, member.id)
    assert (former.state, former.end) == (
        ReleaseState.CANCELLED,
        f"released once more as {second.id}",
    )
    assert shop.gare().plan(stands(shop, second.id).plan).commit == fix
    assert (shop.production / "current" / "version.txt").read_text() == "1.1.0"
    shop.run("audit", "verify")
