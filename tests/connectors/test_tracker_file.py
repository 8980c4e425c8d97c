import pytest

from gare.connectors.git import Git, GitSettings
from gare.connectors.tracker_file import FileTracker, FileTrackerSettings
from gare.errors import ConfigError
from gare.ports.tracker import Ticket

LIST = """\
- key: SHOP-2
  title: Two
  type: bug
  status: done
  version: 1.1.0
- key: SHOP-1
  title: One
- key: SHOP-3
  title: Three
  status: reopened
  version: 2.0.0
"""
SECTIONS = """\
tickets:
  SHOP-2: {title: Two, type: bug, status: done, version: 1.1.0}
  SHOP-1: {title: One}
  SHOP-3: {title: Three, status: reopened, version: 2.0.0}
"""


def tracker(text: str) -> FileTracker:
    return FileTracker(FileTrackerSettings(), lambda path: text)


@pytest.mark.parametrize(
    "text",
    [
        LIST,
        SECTIONS,
        SECTIONS.replace("tickets:\n", "").replace("  SHOP", "SHOP"),
        "tickets:\n" + LIST,
    ],
    ids=["list", "sections under tickets", "sections", "list under tickets"],
)
def test_tickets_are_those_asked_for_and_those_planned_sorted_by_key(text):
    assert tracker(text).tickets(["SHOP-1", "SHOP-9"], "1.1.0") == [
        Ticket("SHOP-1", "One", "task", "todo", ""),
        Ticket("SHOP-2", "Two", "bug", "done", "1.1.0"),
    ]


def test_a_prerelease_has_the_tickets_of_its_version():
    assert [ticket.key for ticket in tracker(LIST).tickets([], "2.0.0-rc.1")] == ["SHOP-3"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "tickets:\n", "tickets: []\n", "[]", "{}"])
def test_an_empty_file_has_no_tickets(text):
    assert tracker(text).tickets(["SHOP-1"], "1.0.0") == []


WRONG = [
    (
        "- key: A-1\n  title: x\n  version: 1.10\n",
        'version is a number, not a text. (tickets.yaml, line 3) Write it in quotes: `version: "1.10"`.',
    ),
    (
        "- key: A-1\n  title: x\n  version: 2026-01-02\n",
        'version is a date, not a text. (tickets.yaml, line 3) Write it in quotes: `version: "2026-01-02"`.',
    ),
    ("- key: A-1\n", "A ticket has no title. (tickets.yaml, line 1) Write `title: …`."),
    ("- title: x\n", "A ticket has no key. (tickets.yaml, line 1) Write `key: …`."),
    (
        "- key: A-1\n  title: x\n  stauts: done\n",
        "A ticket has no key 'stauts'. (tickets.yaml, line 3) Keys are key, title, type, status, version.",
    ),
    (
        "- key: A-1\n  title: x\n  status: Done\n",
        "status cannot be 'Done'. (tickets.yaml, line 3) Write todo, doing, done or reopened.",
    ),
    (
        "- key: A-1\n  title: [x]\n",
        "title cannot be a list. (tickets.yaml, line 2) Write a text: `title: …`.",
    ),
    (
        "- key: A-1\n  title:\n",
        "title cannot be empty. (tickets.yaml, line 2) Write a text: `title: …`.",
    ),
    (
        "- key: A 1\n  title: x\n",
        "key cannot be the text 'A 1'. (tickets.yaml, line 1) Write it without spaces: `key: …`.",
    ),
    (
        "- key: A-1\n  title: x\n- key: A-1\n  title: y\n",
        "Ticket A-1 is there already, in line 1. (tickets.yaml, line 3) Keep one.",
    ),
    (
        "- SHOP-1\n",
        "A ticket is the text 'SHOP-1', not a section. (tickets.yaml, line 1) "
        "Write a list such as `- key: SHOP-1`, `  title: …`, `  status: done`.",
    ),
    (
        "SHOP-1: One\n",
        "Ticket SHOP-1 is the text 'One', not a section. (tickets.yaml, line 1) "
        "Write `SHOP-1:` and below it `  title: …`.",
    ),
    (
        "just text\n",
        "The file holds no list of tickets. (tickets.yaml, line 1) "
        "Write a list such as `- key: SHOP-1`, `  title: …`, `  status: done`.",
    ),
    (
        "- key: A-1\n  title: [x\n",
        "The file is not valid YAML: expected ',' or ']', but got '<stream end>'. (tickets.yaml, line 3) Correct it.",
    ),
    (
        "A-1: {title: x}\nA-1: {title: y}\n",
        'The file is not valid YAML: found duplicate key "A-1". (tickets.yaml, line 2) Correct it.',
    ),
    ("a: \x00\n", "The file is not valid YAML. (tickets.yaml, line 1) Save it as UTF-8 text."),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_file_says_where_and_what_to_write(text, message):
    with pytest.raises(ConfigError) as error:
        tracker(text).tickets([], "1.0.0")
    assert str(error.value) == message


def test_no_tag_of_yaml_makes_an_object():
    text = "- key: A-1\n  title: !!python/object/apply:os.abort []\n"
    with pytest.raises(ConfigError, match="title cannot be a list"):
        tracker(text).tickets([], "1.0.0")


def test_the_file_is_read_as_of_the_planned_commit(repo, tmp_path):
    head = repo.commit("feat: x", "tickets.yaml", LIST)
    (repo.folder / "tickets.yaml").write_text("broken: [")
    source = Git(GitSettings(path=str(repo.folder)), tmp_path, tmp_path / "state")
    made = FileTracker(FileTrackerSettings(), lambda path: source.read_file(head, path))
    assert len(made.tickets([], "2.0.0")) == 1
    absent = FileTracker(
        FileTrackerSettings(path="no.yaml"), lambda path: source.read_file(head, path)
    )
    with pytest.raises(ConfigError) as error:
        absent.tickets([], "2.0.0")
    assert str(error.value) == (
        "The tickets file no.yaml is not in the repository at the planned commit. "
        "(tickets: tracker) Commit the file, or correct `path`."
    )
