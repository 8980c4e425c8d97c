"""publish: the release becomes public: notes into the changelog or a file, and the annotated tag, pushed."""

from dataclasses import replace
from pathlib import Path

from gare.domain.notes import filled, into_changelog
from gare.domain.plan import Kind, Plan
from gare.files import write_atomic
from gare.ledger.effects import Absent, AsWanted, Different, Effect, Look, Receipt
from gare.reports.notes import notes_page
from tasks.step import Value, Work, step_task

TRAILER = "Gare-Release"


@step_task
def publish(work: Work) -> Value:
    """Publish the notes and the tag that carries the ledger's head digest."""
    settings = work.step.settings
    work.show("notes", notes_page(work.plan), "Release notes")
    done: dict[str, Receipt] = {}
    if settings["changelog"]:
        done["changelog"] = work.perform(
            changelog_effect(work, settings["changelog"], push=settings["push"])
        )
    if settings["notes_file"]:
        done["notes"] = work.perform(notes_effect(work, settings["notes_file"]))
    if settings["tag"]:
        done["tag"] = work.perform(tag_effect(work, settings["tag_name"], push=settings["push"]))
    return {
        "receipts": {name: dict(receipt) for name, receipt in done.items()},
        "summary": ", ".join(done) or "nothing",
    }


def tag_effect(work: Work, name: str, *, push: bool) -> Effect:
    """Return the annotated tag. It is as wanted when it points to the planned commit for this release."""
    source = work.gare.source(work.plan)

    def look() -> Look:
        commit, message = source.look_tag(name)
        if not commit:
            return Absent()
        if commit == work.plan.commit and f"{TRAILER}: {work.release.id}" in message:
            return AsWanted({"tag": name, "commit": commit})
        return Different(
            f"tag {name} at {commit[:12]}",
            f"Delete it if it was never published (`git tag -d {name}`, `git push origin --delete {name}`)",
        )

    def act() -> Receipt:
        head = work.ledger.database.head(work.release.id)
        message = (
            f"{work.plan.title} {work.plan.version}\n\n"
            f"{TRAILER}: {work.release.id}\nGare-Plan: {work.release.plan}\nGare-Ledger: {head}\n"
            f"Gare-Key: {work.gare.keys.current().id}\n"
        )
        made = source.write_tag(name, work.plan.commit, message, push=push)
        return {"tag": name, "commit": work.plan.commit, "object": made, "head": head}

    return Effect(f"tag {name}", {"commit": work.plan.commit, "push": push}, look, act)


def changelog_effect(work: Work, path: str, *, push: bool) -> Effect:
    """Return the notes in the repository's changelog, as one commit on the branch."""
    branch = _changelog_branch(work.plan)
    source = work.gare.source(replace(work.plan, source={**work.plan.source, "branch": branch}))

    def look() -> Look:
        text = source.look_file(path)
        wanted = into_changelog(text, work.plan.version, work.plan.notes)
        return AsWanted({"file": path}) if text and text == wanted else Absent()

    def act() -> Receipt:
        text = into_changelog(source.look_file(path), work.plan.version, work.plan.notes)
        message = f"docs: notes of {work.plan.version}\n\n{TRAILER}: {work.release.id}\n"
        return {"file": path, "commit": source.write_file(path, text, message, push=push)}

    return Effect(f"changelog {path}", {"version": work.plan.version, "push": push}, look, act)


def _changelog_branch(plan: Plan) -> str:
    """Return the branch that has the changelog's entry of the version before.

    A hotfix of a tag begins behind that entry: written on its branch, the notes would conflict in every merge.
    """
    if plan.kind is Kind.HOTFIX and not plan.details["base"]["line"]:
        return str(plan.details["lines"][0])
    return plan.branch


def notes_effect(work: Work, pattern: str) -> Effect:
    """Return the notes as a file of their own."""
    path = Path(filled(pattern, work.plan.project, work.plan.version))
    path = work.gare.project(work.plan.project).base / path

    def look() -> Look:
        if not path.exists():
            return Absent()
        same = path.read_text(encoding="utf-8") == work.plan.notes
        return AsWanted({"file": str(path)}) if same else Different(f"another text in {path}")

    def act() -> Receipt:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, work.plan.notes)
        return {"file": str(path)}

    return Effect(f"notes {path.name}", {"file": str(path)}, look, act)
