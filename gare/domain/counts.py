"""Counts as people say them: 1 commit, 2 commits. Pure."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return the count with its noun; `plural` where it is not the noun and an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
