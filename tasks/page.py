"""page: the release as GitLab shows it: files in the package registry, notes, links to both, evidence."""

from collections.abc import Iterator, Sequence

from gare.connectors.artifacts import artifact_path
from gare.ledger.effects import Absent, AsWanted, Different, Effect, Look, Receipt
from gare.planning.again import AGAIN
from gare.ports.packages import Packages
from gare.ports.release_page import Link, ReleaseEntry, ReleasePage
from gare.recall import mark_effect
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task


@step_task
def page(work: Work) -> Value | AskAgain:
    """Upload what was built, make the release of the tag, and let GitLab collect its evidence."""
    return unless_away(work, lambda: publish_page(work))


def publish_page(work: Work) -> Value:
    """Make what is missing of the release in GitLab."""
    settings = work.step.settings
    gitlab = work.gare.hosting.at(settings["gitlab"])
    if settings.get(AGAIN):
        return _say_again(work, gitlab.release_page)
    links = [Link(name, address) for name, address in settings["links"].items()]
    if settings["packages"]:
        links += _uploaded(work, gitlab.packages)
    receipt = work.perform(page_effect(work, gitlab.release_page, links))
    work.perform(evidence_effect(work, gitlab.release_page))
    work.show_link(receipt["url"], f"Release {settings['tag_name']}")
    return {"receipt": dict(receipt), "url": receipt["url"], "summary": receipt["url"]}


def _say_again(work: Work, there: ReleasePage) -> Value:
    """Put on top of the page's notes, which stay, that the version is released again."""
    tag, plan = work.step.settings["tag_name"], work.plan
    if there.look(tag) is None:
        return {"url": "", "summary": f"there is no release of {tag}"}
    mark = (
        f"> **Released again.** {plan.title} {plan.version} is released again. ({work.release.id})"
    )
    receipt = work.perform(mark_effect(there, tag, mark))
    return {"receipt": dict(receipt), "summary": f"release of {tag}: released again"}


def page_effect(work: Work, there: ReleasePage, links: Sequence[Link]) -> Effect:
    """Return the release of the tag. It is as wanted when it has the planned notes."""
    tag, plan = work.step.settings["tag_name"], work.plan
    entry = ReleaseEntry(tag, f"{plan.title} {plan.version}", plan.notes, tuple(links))

    def look() -> Look:
        found = there.look(tag)
        if found is None:
            return Absent()
        if found.notes.strip() != entry.notes.strip():
            return Different(f"a release of {tag} with other notes, {found.url}")
        there.add_links(tag, entry.links)
        return AsWanted({"tag": tag, "url": found.url})

    def act() -> Receipt:
        return {"tag": tag, "url": there.write(entry).url}

    return Effect(f"release page {tag}", {"links": [link.name for link in links]}, look, act)


def evidence_effect(work: Work, there: ReleasePage) -> Effect:
    """Return the evidence that GitLab keeps of the release."""
    tag = work.step.settings["tag_name"]

    def look() -> Look:
        found = there.look(tag)
        return AsWanted({"tag": tag}) if found and found.has_evidence else Absent()

    def act() -> Receipt:
        there.collect_evidence(tag)
        return {"tag": tag}

    return Effect(f"release evidence {tag}", {"tag": tag}, look, act)


def _uploaded(work: Work, there: Packages) -> Iterator[Link]:
    """Bring every artifact of the release into the registry, and yield a link to each."""
    for artifact in work.artifacts:
        file = artifact["name"].replace("/", "-")
        receipt = work.perform(_file_effect(work, there, file, artifact["sha256"]))
        yield Link(file, receipt["url"], "package")


def _file_effect(work: Work, there: Packages, file: str, sha256: str) -> Effect:
    package, version = work.plan.project, work.plan.version

    def look() -> Look:
        found = there.look(package, version, file)
        if found is None:
            return Absent()
        if found.sha256 == sha256:
            return AsWanted({"url": found.url, "sha256": sha256})
        return Different(f"{file} with sha256:{found.sha256}")

    def act() -> Receipt:
        path = artifact_path(work.gare.store, sha256)
        return {"url": there.upload(package, version, file, path, sha256), "sha256": sha256}

    return Effect(f"package {file}", {"version": version, "sha256": sha256}, look, act)
