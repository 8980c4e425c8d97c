"""tickets: the tracker learns what is out: its version, and every ticket with code in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gare.change_ticket import moved
from gare.corrected import begun_moves, corrected, still_due
from gare.domain.counts import counted
from gare.domain.notes import filled
from gare.errors import Conflict, GareError, NotFound, PermissionDenied, Refused
from gare.ledger.effects import Absent, AsWanted, Effect, EffectRecord, Look, Receipt
from gare.ledger.restored import withdraw_open
from gare.ports.tracker import TicketStand, TicketWriter
from gare.reports.markdown import escape
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task
from tasks.ticket_versions import archived, make_versions, released

_OF_ONE_TICKET = (Refused, Conflict, NotFound, PermissionDenied)
"""Refusals that say nothing about other tickets, or are told of all of them together."""
_NAMED = 5


@step_task
def tickets(work: Work) -> Value | AskAgain:
    """Release the version in the tracker, and move, comment and link the tickets as configured."""
    return unless_away(work, lambda: tell(work))


def tell(work: Work) -> Value:
    """Do what the step does; what was told before is not told again.

    One ticket that cannot be told keeps neither the others nor the version: what is out is out. Raises Refused at the
    end, naming all that were refused, where the rule says so.
    """
    writer = work.gare.tracking.writer(work.step.settings["tracker"])
    rule = corrected(work.gare, work.release, work.plan, work.step, "rule")
    keys = list(work.step.settings["keys"])
    stands = writer.stands(keys)
    for key in keys:
        if key not in stands:
            work.say(f"{key} is no longer in {writer.place}")
    count = 0
    if rule["version"]:
        count += _perform(work, make_versions(work, writer.versions))
    told, refused = _tell_each(work, writer, rule, stands)
    # The version last, so that it is complete when it is out.
    if rule["version"]:
        move = rule.get("move_open_to", "")
        version = work.step.settings["version"]
        count += _perform(work, [released(work, writer.versions, version, move)])
        count += _perform(work, archived(work, writer.versions))
    if refused:
        _refuse(work, writer, rule, refused, count=len(stands))
    # All that is wanted has its receipt: what was refused, or is not wanted any more, is not to be done.
    said = "it was refused, or is not asked for any more"
    withdraw_open(work.ledger.database, work.release.id, work.step.id, actor="gare", said=said)
    return {
        "tickets": sorted(stands),
        "refused": refused,
        "summary": f"{writer.place}: {counted(len(stands), 'ticket')}, {counted(count + told, 'change')}"
        + (f", {len(refused)} refused" if refused else ""),
    }


def _perform(work: Work, effects: Iterable[Effect]) -> int:
    count = 0
    for effect in effects:
        work.perform(effect)
        count += 1
    return count


def _tell_each(
    work: Work, writer: TicketWriter, rule: Mapping[str, Any], stands: Mapping[str, TicketStand]
) -> tuple[int, dict[str, str]]:
    """Tell every ticket; return how many changes there were, and what was refused by ticket."""
    count, refused = 0, dict[str, str]()
    moves = begun_moves(work.ledger, work.release.id, work.step.id)
    for key, stand in stands.items():
        for effect in _ticket(work, writer, rule, key, stand, moves):
            try:
                count += _perform(work, [effect])
            except _OF_ONE_TICKET as error:
                refused[key] = "; ".join(filter(None, (refused.get(key), _told(error))))
                work.say(f"{effect.target} is refused: {error}")
    return count, refused


def _told(error: GareError) -> str:
    return f"{error.what} {error.hint}".strip()


def _refuse(
    work: Work,
    writer: TicketWriter,
    rule: Mapping[str, Any],
    refused: Mapping[str, str],
    *,
    count: int,
) -> None:
    """Show what was refused; raise it as one where the rule says that the step fails for it."""
    lines = [f"- **{escape(key)}**: {escape(why)}" for key, why in refused.items()]
    page = f"# Not told in {escape(writer.place)}\n\n" + "\n".join(lines) + "\n"
    work.show(f"{work.step.id}-refused", page, "Tickets that were refused")
    if rule.get("refused", "fail") != "fail":
        return
    named = "; ".join(f"{key}: {why}" for key, why in list(refused.items())[:_NAMED])
    more = f"; and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
    raise Refused(
        f"{len(refused)} of {count} tickets could not be told all: {named}{more}",
        where=writer.place,
        hint="All others are told, and the version is out. Correct these there, or `transition` and `fields` under "
        "`on_release` in the project's file, or leave them with `refused: warn` there; "
        f"then `gare resume {work.release.id}`, which reads these keys anew.",
    )


def _ticket(
    work: Work,
    writer: TicketWriter,
    rule: Mapping[str, Any],
    key: str,
    stand: TicketStand,
    moves: Sequence[EffectRecord],
) -> Iterator[Effect]:
    name = work.step.settings["version"]
    if rule["version"] and writer.has_versions(key):
        yield Effect(
            f"{key} in {name}",
            {"version": name},
            _seen(lambda: name in stand.versions, {"ticket": key, "version": name}),
            lambda: writer.plan_for(key, name),
        )
    if rule["transition"]:
        move = moved(writer, key, rule["transition"], rule["fields"])
        if still_due(work.ledger, work.release.id, work.step.id, move, key, moves):
            yield move
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


def _seen(is_there: Callable[[], bool], receipt: Receipt) -> Callable[[], Look]:
    """Return a look that answers yes or no."""
    return lambda: AsWanted(receipt) if is_there() else Absent()
