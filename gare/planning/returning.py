"""What a plan says of versions that were rolled back: that they come again with it, or how they can."""

from collections.abc import Sequence

from gare.config.models import ProjectConfig
from gare.domain.standing import RolledBack
from gare.domain.versions import released
from gare.errors import NothingToRelease
from gare.ports.source import History


def returning(
    source: History, project: ProjectConfig, commit: str, rolled_back: Sequence[RolledBack]
) -> list[str]:
    """Say which versions that were rolled back come again with a commit, as a part of it."""
    if not rolled_back:
        return []
    tags = released(source.tags(reachable_from=commit), project.source.tag_prefix)
    reached = {tag.version for tag in tags}
    return [f"contains {one}" for one in rolled_back if one.version in reached]


def with_way_forward(
    nothing: NothingToRelease, project: str, rolled_back: Sequence[RolledBack]
) -> NothingToRelease:
    """Return the same refusal; where a version was rolled back, it says how that one is released again."""
    if not rolled_back:
        return nothing
    newest = rolled_back[-1]
    hint = f"{newest.version} was rolled back in {newest.environment}. To release it again: "
    return NothingToRelease(
        nothing.what,
        where=nothing.where,
        hint=f"{hint}`gare release {project} --again {newest.version}`. {nothing.hint}",
    )
