"""The throw-away repository: a clone that borrows the real one's objects, and a bare remote that takes the pushes."""

from collections.abc import Mapping
from pathlib import Path

from gare.connectors.git_command import Commands, run_git, translated
from gare.domain.plan import Plan
from gare.ports.source import Source


def clone(source: Source, plan: Plan, work: Path, remote: Path) -> None:
    """Make `work`, with the plan's branch at the planned commit, and `remote`, where it pushes to.

    The real repository is only read; nothing here knows the address of its remote any more.
    """
    source.checkout(plan.commit, work)
    git = Commands(work)
    git.run("checkout", "--quiet", "--force", "-B", plan.branch)
    made = run_git(["clone", "--quiet", "--bare", "--shared", "--", str(work), str(remote)])
    if made.code:
        raise translated("clone", made, str(remote))
    if git.run("remote"):
        git.run("remote", "remove", "origin")
    git.run("remote", "add", "origin", str(remote))
    git.run("fetch", "--quiet", "origin")


def add_refs(remote: Path, kind: str, refs: Mapping[str, str]) -> None:
    """Add those `heads` or `tags` that are not there yet and whose commits are known here."""
    git = Commands(remote, is_bare=True)
    known = set(git.run("for-each-ref", "--format=%(refname:lstrip=2)", f"refs/{kind}").split("\n"))
    missing = {name: commit for name, commit in refs.items() if name not in known}
    asked = "".join(f"{commit}^{{commit}}\n" for commit in missing.values())
    answers = git.run("cat-file", "--batch-check", stdin=asked).splitlines() if missing else []
    here = {answer.split()[0] for answer in answers if answer.split()[1:2] == ["commit"]}
    orders = "".join(
        f"create refs/{kind}/{name} {commit}\n"
        for name, commit in missing.items()
        if commit in here
    )
    if orders:
        git.run("update-ref", "--stdin", stdin=orders)
