"""What every project would release now: a quick look over many, before any of them is planned. Changes nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gare.config.models import ProjectConfig
from gare.errors import GareError, Refused
from gare.planning.planner import Earlier, Span, read_span
from gare.ports.source import History
from gare.requests import ReleaseRequest


class Asked(NamedTuple):
    """A project and where its history is read."""

    project: ProjectConfig
    history: History


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one project would release; without a span `why` says why nothing."""

    project: str
    span: Span | None
    why: str = ""
    is_answer: bool = False
    """Whether that is an answer (nothing new), and not that the project could not be read."""


def look_over(asked: Iterable[Asked], earlier: Mapping[str, Earlier]) -> Iterator[Prospect]:
    """Yield what each project would release, in the order given; one that cannot be read does not stop the others."""
    for project, history in asked:
        request = ReleaseRequest(project=project.name)
        try:
            span = read_span(project, history, request, earlier.get(project.name, Earlier()))
        except GareError as error:
            yield Prospect(project.name, None, error.what, isinstance(error, Refused))
        else:
            yield Prospect(project.name, span)
