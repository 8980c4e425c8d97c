"""Who may start what, and who may freeze: the station's rights, replaced key by key by the project's."""

from typing import Literal

from gare.config.models import ProjectConfig, StationConfig
from gare.config.problems import listed
from gare.domain.approvals import Voter
from gare.domain.plan import Kind
from gare.errors import PermissionDenied

FreezeRight = Literal["freeze", "lift", "override"]
_DOES: dict[FreezeRight, str] = {
    "freeze": "add freezes or stop the line",
    "lift": "lift what others have frozen or stopped",
    "override": "override freezes",
}


def check_right(person: Voter, kind: Kind, station: StationConfig, project: ProjectConfig) -> None:
    """Raise PermissionDenied unless the person may start a release of this kind of the project."""
    _check(person, kind, f"start a {kind} of {project.name}", station, project)


def check_freeze_right(
    person: Voter, right: FreezeRight, station: StationConfig, project: ProjectConfig | None = None
) -> None:
    """Raise PermissionDenied unless the person may freeze, lift what others froze, or override."""
    _check(person, right, _DOES[right], station, project)


def check_hold_right(person: Voter, station: StationConfig, project: ProjectConfig) -> None:
    """Raise PermissionDenied unless the person may end a hold on automation of the project."""
    _check(person, "hold", f"let automation of {project.name} go on", station, project)


def check_train_right(person: Voter, station: StationConfig) -> None:
    """Raise PermissionDenied unless the person may let trains depart, skip, hold and resume them."""
    _check(person, "train", "steer trains", station, None)


def check_waive_right(person: Voter, station: StationConfig, project: ProjectConfig) -> None:
    """Raise PermissionDenied unless the person may let a line go without the fix of a hotfix."""
    _check(person, "waive", f"let lines of {project.name} go without a fix", station, project)


def _check(
    person: Voter, right: str, does: str, station: StationConfig, project: ProjectConfig | None
) -> None:
    own: tuple[str, ...] | None = getattr(project.rights, right) if project else None
    groups: tuple[str, ...] | None = own if own is not None else getattr(station.rights, right)
    if groups is None and right == "override":
        groups = ()  # what is closed for everybody is opened by those alone who were given the right
    if groups is None or not person.groups.isdisjoint(groups):
        return
    may = f"Who is in {listed(groups)} may." if groups else "Nobody may."
    raise PermissionDenied(
        f"{person.name} may not {does}.",
        where=f"{'gare.yaml' if own is not None else 'station.yaml'}: rights.{right}",
        hint=f"{may} The station's keeper can change that.",
    )
