"""Draws an order of things as a picture that shows in the engine's UI: boxes in columns, arrows between them. Pure.

Prefect's UI (3.8, first version) draws no Mermaid, cleans inline SVG away, and shows an image given as a data address.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_BOX_HEIGHT, _GAP, _COLUMN_GAP, _CHARACTER, _PADDING = 34, 14, 56, 7.4, 12
LARGEST = 60
"""Boxes in the largest picture: more cannot be read, and the page is stored anew each time that one moves."""


@dataclass(frozen=True, slots=True)
class Box:
    """One thing of the order. `fill` is a colour; `needs` names those that come before it."""

    name: str
    label: str
    needs: Sequence[str] = ()
    fill: str = "#e8e8ee"


def draw(boxes: Sequence[Box], title: str) -> str:
    """Return the picture as a Markdown image, each box in the column after all that it needs."""
    columns = _columns(boxes)
    width = max((len(box.label) for box in boxes), default=0) * _CHARACTER + 2 * _PADDING
    places = {
        box.name: (x * (width + _COLUMN_GAP) + 1, y * (_BOX_HEIGHT + _GAP) + 1)
        for x, column in enumerate(columns)
        for y, box in enumerate(column)
    }
    size = (
        len(columns) * (width + _COLUMN_GAP) - _COLUMN_GAP + 2,
        max(map(len, columns), default=0) * (_BOX_HEIGHT + _GAP) - _GAP + 2,
    )
    arrows = [
        _arrow(places[need], places[box.name], width)
        for box in boxes
        for need in box.needs
        if need in places
    ]
    drawn = "".join([*arrows, *(_box(box, places[box.name], width) for box in boxes)])
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]:.0f}" height="{size[1]:.0f}" '
        f'font-family="sans-serif" font-size="12.5">{_ARROW_HEAD}{drawn}</svg>'
    )
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _columns(boxes: Sequence[Box]) -> list[list[Box]]:
    """Sort boxes into columns; the order is one without circles."""
    by_name = {box.name: box for box in boxes}
    column: dict[str, int] = {}

    def place(box: Box) -> int:
        if box.name not in column:
            needs = [by_name[need] for need in box.needs if need in by_name]
            column[box.name] = 1 + max(map(place, needs), default=-1)
        return column[box.name]

    columns: list[list[Box]] = []
    for box in sorted(boxes, key=place):
        if place(box) == len(columns):
            columns.append([])
        columns[-1].append(box)
    return [_near_their_needs(one, columns[:at]) for at, one in enumerate(columns)]


def _near_their_needs(column: list[Box], before: Sequence[Sequence[Box]]) -> list[Box]:
    """Order a column so that arrows cross less: by how far down the needed ones stand."""
    height = {box.name: y for one in before for y, box in enumerate(one)}

    def middle(box: Box) -> float:
        found = [height[need] for need in box.needs if need in height]
        return sum(found) / len(found) if found else 0.0

    return sorted(column, key=middle)


_ARROW_HEAD = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#8a8f98"/></marker></defs>'
)


def _arrow(start: tuple[float, float], end: tuple[float, float], width: float) -> str:
    x1, y1 = start[0] + width, start[1] + _BOX_HEIGHT / 2
    x2, y2 = end[0], end[1] + _BOX_HEIGHT / 2
    bend = (x1 + x2) / 2
    return (
        f'<path d="M{x1:.0f} {y1:.0f}C{bend:.0f} {y1:.0f} {bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}" '
        'fill="none" stroke="#8a8f98" marker-end="url(#a)"/>'
    )


def _box(box: Box, place: tuple[float, float], width: float) -> str:
    x, y = place
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{_BOX_HEIGHT}" rx="6" '
        f'fill="{escape(box.fill)}" stroke="#555"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + 21:.0f}" text-anchor="middle" fill="#111">{escape(box.label)}</text>'
    )
