"""The picture of an order: what comes later stands further right, an arrow leads to it, nothing breaks it."""

import base64
import re
from itertools import pairwise
from xml.etree import ElementTree

from gare.reports.picture import Box, draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*boxes: Box) -> ElementTree.Element:
    encoded = draw(boxes, "order").partition("base64,")[2].removesuffix(")")
    return ElementTree.fromstring(base64.b64decode(encoded))


def places(picture: ElementTree.Element) -> dict[str, tuple[float, float]]:
    boxes = zip(picture.iter(f"{SVG}rect"), picture.iter(f"{SVG}text"), strict=True)
    return {str(text.text): (float(box.get("x")), float(box.get("y"))) for box, text in boxes}


def arrows(picture: ElementTree.Element) -> list[tuple[float, ...]]:
    paths = [path.get("d") for path in picture.findall(f"{SVG}path")]
    return [tuple(map(float, re.findall(r"[\d.]+", path))) for path in paths]


def test_a_box_stands_right_of_all_that_it_needs_and_arrows_lead_there():
    found = drawn(Box("app", "app", ["web", "api"]), Box("web", "web", ["api"]), Box("api", "api"))
    at = places(found)
    assert at["api"][0] < at["web"][0] < at["app"][0]
    starts_and_ends = [(path[0], path[-2]) for path in arrows(found)]
    assert len(starts_and_ends) == 3
    assert all(start < end for start, end in starts_and_ends)


def test_boxes_do_not_cover_each_other_and_lie_within_the_picture():
    found = drawn(*(Box(f"p{n}", f"p{n} 1.0.{n}", [f"p{n // 3}"] if n else []) for n in range(25)))
    at = sorted(places(found).values())
    assert len(set(at)) == 25
    height = float(next(found.iter(f"{SVG}rect")).get("height"))
    assert all(a[0] != b[0] or b[1] - a[1] > height for a, b in pairwise(at))
    width_of_box = float(next(found.iter(f"{SVG}rect")).get("width"))
    assert max(x for x, _ in at) + width_of_box <= float(found.get("width"))
    assert max(y for _, y in at) + height <= float(found.get("height"))


def test_names_are_text_whatever_they_hold():
    assert "<b>&\"'" in places(drawn(Box("a", "<b>&\"'")))


def test_a_need_that_is_not_in_the_picture_draws_no_arrow():
    assert arrows(drawn(Box("a", "a", ["elsewhere"]))) == []
