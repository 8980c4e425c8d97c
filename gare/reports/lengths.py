"""Spells lengths of time for people. Pure."""


def elapsed(seconds: float) -> str:
    """Spell a length of time with two figures that matter: `0.4s`, `12s`, `3m 05s`, `2h 10m`, `4d 3h`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24}h"
