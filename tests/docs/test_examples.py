"""What the documentation shows is real: YAML loads, commands exist with their options, links lead somewhere."""

import re
import shlex
from itertools import chain
from pathlib import Path

import click
import pytest

from gare.cli.group import gare
from gare.config.loader import load_station

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STATION = """\
people:
  - {name: alice, email: alice@example.org, groups: [release-managers]}
  - {name: bob, email: bob@example.org, groups: [qa]}
  - {name: carol, email: carol@example.org, groups: [operations]}
environments: {staging: {}, production: {approval: {groups: {release-managers: 1}}}}
repositories: [../shop]
connections:
  gitlab: {type: gitlab, url: https://gitlab.example.com, token: $GITLAB_TOKEN}
"""
PROJECT = """\
name: shop
source: {type: git}
environments:
  staging: {target: {type: directory, path: /srv/shop-staging}}
  production: {target: {type: directory, path: /srv/shop}}
"""


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def examples():
    """Yield each YAML block that says in its first line which file it is (part of)."""
    for page in PAGES:
        blocks = (text for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind == "yaml")
        for number, text in enumerate(blocks, start=1):
            if file := re.match(r"# (gare|station|trains/\w+)\.yaml\b", text):
                yield pytest.param(f"{file[1]}.yaml", text, id=f"{name_of(page)}-{number}")


def completed(example, rest):
    """Return the example with those top-level keys of `rest` that it leaves out."""
    sections = re.findall(r"^\w+:.*\n(?:[ \n].*\n|\n)*", rest, re.MULTILINE)
    keys = set(re.findall(r"^(\w+):", example, re.MULTILINE))
    return example + "".join(text for text in sections if text.partition(":")[0] not in keys)


@pytest.mark.parametrize(("file", "text"), list(examples()))
def test_yaml_of_the_pages_loads(file, text, tmp_path):
    texts = {"station.yaml": STATION, "gare.yaml": PROJECT}
    texts[file] = completed(text, texts.get(file, ""))
    for name, folder in (("station.yaml", "acme"), ("gare.yaml", "shop")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(texts[name], encoding="utf-8")
    if file.startswith("trains/"):
        write_train(tmp_path / "acme", file, text)
    station = load_station(tmp_path / "acme")
    assert station.project("shop").config.name == "shop"
    assert len(station.trains) == file.count("trains/")


def write_train(root, file, text):
    """Write a train of the pages beside the projects that it names."""
    for folder in ("trains", "projects"):
        (root / folder).mkdir()
    for name in ("api", "app"):
        config = f"name: {name}\nlabels: [customer]\nsource: {{type: git}}\n"
        (root / "projects" / f"{name}.yaml").write_text(config, encoding="utf-8")
    (root / file).write_text(text, encoding="utf-8")


def commands_of(page):
    """Yield every `gare …` that a page names, in its text and in its console blocks."""
    text = page.read_text("utf-8")
    for kind, block in BLOCK.findall(text):
        if kind in ("", "console", "sh", "ini"):
            # Only what is typed: a line that begins with a prompt, a variable or the command itself.
            yield from re.findall(
                r"^(?:\$ |ExecStart=\S*/)?(?:[A-Z_]+=\S+ )?(gare [^|#<>&\n]+?)(?: {2,}\S.*)?$",
                block,
                re.MULTILINE,
            )
    prose = BLOCK.sub("", text)
    yield from chain.from_iterable(
        re.findall(r"^(?:[A-Z_]+=\S+ )?(gare [^|#<>&]+)", span)
        for span in re.findall(r"`([^`\n]+)`", prose)
    )


def all_commands():
    for page in PAGES:
        for command in dict.fromkeys(commands_of(page)):
            if not command.startswith("gare: "):
                yield pytest.param(command, id=f"{name_of(page)}: {command}"[:90])


@pytest.mark.parametrize("command", list(all_commands()))
def test_commands_of_the_pages_exist_with_these_options(command):
    words = shlex.split(re.sub(r"[\[\]\\]", "", command))[1:]
    found, context = gare, click.Context(gare, info_name="gare")
    while isinstance(found, click.Group):
        _, words, _ = found.make_parser(context).parse_args(words)
        if not words or words[0] in ("…", "COMMAND"):
            return
        if words[0].startswith("R-"):
            words = ["write", *words]  # `gare evidence R-7` is short for `gare evidence write R-7`
        name, found, words = found.resolve_command(context, words)
        context = click.Context(found, info_name=name, parent=context)
    _, left, _ = found.make_parser(context).parse_args(words)
    assert not left, f"`{name}` takes no {left}"


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text("utf-8"))):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_index_names_every_page():
    index = ROOT / "docs" / "README.md"
    named = {
        (index.parent / target.partition("#")[0]).resolve()
        for target in re.findall(r"\]\(([^)\s]+)\)", index.read_text("utf-8"))
    }
    assert [name_of(page) for page in PAGES if page not in named and page != index] == []


def test_decisions_are_numbered_without_clashes():
    numbers = [page.name[:4] for page in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert len(numbers) == len(set(numbers))
