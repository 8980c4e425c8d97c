"""tickets: the tracker learns what is out: its version, and every ticket with code in it."""

from collections.abc import Callable, Iterable, Mapping

from gare.change_ticket import moved
from gare.domain.notes import filled
from gare.ledger.effects import Absent, AsWanted, Different, Effect, Look, Receipt
from gare.ports.tracker import TicketStand, TicketVersion, TicketWriter
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task


@step_task
def tickets(work: Work) -> Value | AskAgain:
    """Release the version in the tracker, and move, comment and link the tickets as configured."""
    return unless_away(work, lambda: tell(work))


def tell(work: Work) -> Value:
    """Do what the step does; what was told before is not told again."""
    writer = work.gare.tracking.writer(work.step.settings["tracker"])
    keys = list(work.step.settings["keys"])
    stands = writer.stands(keys)
    for key in keys:
        if key not in stands:
            work.say(f"{key} is no longer in {writer.place}")
    count = 0
    for effect in _effects(work, writer, stands):
        receipt = work.ledger.effects.perform(work.release.id, work.step.id, effect)
        work.say(f"{effect.target}: {dict(receipt)}")
        count += 1
    return {
        "tickets": sorted(stands),
        "summary": f"{writer.place}: {len(stands)} ticket(s), {count} change(s)",
    }


def _effects(
    work: Work, writer: TicketWriter, stands: Mapping[str, TicketStand]
) -> Iterable[Effect]:
    """Yield what is told: the version last, so that it is complete when it is out."""
    rule, name = work.step.settings["rule"], work.step.settings["version"]
    if rule["version"]:
        yield _made(writer, name, work.plan.title)
    for key, stand in stands.items():
        yield from _ticket(work, writer, key, stand)
    if rule["version"]:
        yield _released(work, writer, name)


def _ticket(work: Work, writer: TicketWriter, key: str, stand: TicketStand) -> Iterable[Effect]:
    rule, name = work.step.settings["rule"], work.step.settings["version"]
    if rule["version"] and writer.has_versions(key):
        yield Effect(
            f"{key} in {name}",
            {"version": name},
            _seen(lambda: name in stand.versions, {"ticket": key, "version": name}),
            lambda: writer.plan_for(key, name),
        )
    if rule["transition"]:
        yield moved(writer, key, rule["transition"], rule["fields"])
    if rule["comment"]:
        mark = f"({work.plan.project} {work.plan.version}, {work.release.id})"
        text = f"{fill(work, rule['comment'])}\n\n{mark}"
        yield Effect(
            f"{key} comment",
            {"text": text},
            _seen(lambda: writer.has_comment(key, mark), {"ticket": key}),
            lambda: writer.comment(key, text),
        )
    if rule["link"]:
        address = fill(work, rule["link"])
        link = f"gare={work.release.id}&project={work.plan.project}"
        title = f"{work.plan.title} {work.plan.version}"
        yield Effect(
            f"{key} link",
            {"address": address},
            _seen(lambda: writer.has_link(key, link), {"ticket": key, "link": link}),
            lambda: writer.add_link(key, link, address, title),
        )


def fill(work: Work, text: str) -> str:
    """Return a text of the configuration with its placeholders filled in."""
    values = {
        "title": work.plan.title,
        "tag": work.plan.tag,
        "release": work.release.id,
    }
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return filled(text, work.plan.project, work.plan.version)


def _made(writer: TicketWriter, name: str, title: str) -> Effect:
    return Effect(
        f"version {name} in {writer.place}",
        {"version": name},
        _version(writer, name, lambda _found: True),
        lambda: writer.make_version(name, title),
    )


def _released(work: Work, writer: TicketWriter, name: str) -> Effect:
    return Effect(
        f"release of {name} in {writer.place}",
        {"version": name, "released": True},
        _version(writer, name, lambda found: found.is_released),
        lambda: writer.release_version(name, work.ledger.now().date()),
    )


def _version(
    writer: TicketWriter, name: str, is_wanted: Callable[[TicketVersion], bool]
) -> Callable[[], Look]:
    """Return a look at a version; an archived one takes no tickets and cannot be released."""

    def look() -> Look:
        found = writer.version(name)
        if found is not None and found.is_archived:
            return Different("an archived version of that name; unarchive it, or release another")
        if found is None or not is_wanted(found):
            return Absent()
        return AsWanted({"version": name, "released_on": found.released_on})

    return look


def _seen(is_there: Callable[[], bool], receipt: Receipt) -> Callable[[], Look]:
    """Return a look that answers yes or no."""
    return lambda: AsWanted(receipt) if is_there() else Absent()
