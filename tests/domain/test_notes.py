import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gare.domain.commits import Change, Commit, compile_pattern, parse
from gare.domain.notes import escape, into_changelog, render

SHOW = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def change(message: str, digit: str = "a", parents: tuple[str, ...] = ()) -> Change:
    made = Commit(digit * 40, parents, "Ada", "ada@example.org", "2026-03-01T10:00:00Z", message)
    return parse(made, compile_pattern(r"[A-Z]+-\d+"))


def test_notes_have_sections_scopes_tickets_and_commits():
    notes = render(
        "1.3.0",
        [
            change("feat(cart): keep items for later\n\nRefs: SHOP-12, SHOP-13", "1"),
            change("fix: total of an empty cart SHOP-14", "2"),
            change("perf(search): fewer queries", "3"),
            change("docs: explain the cart", "4"),
            change("feat(api)!: drop v1\n\nBREAKING CHANGE: use v2 of\n  the API", "5"),
            change("tidy up", "6"),
            change("Merge branch 'x'", "7", ("b" * 40, "c" * 40)),
            change('Revert "feat: wheel"\n\nThis reverts commit 999999999.', "8"),
        ],
        titles={"SHOP-12": "Keep <items>", "SHOP-99": "Not in here"},
    )
    assert notes == (
        "## 1.3.0\n"
        "\n### Breaking changes\n\n"
        "- **api:** drop v1 (5555555)\n  use v2 of the API\n"
        "\n### Features\n\n"
        "- **cart:** keep items for later (SHOP-12, SHOP-13, 1111111)\n"
        "\n### Fixes\n\n"
        "- total of an empty cart SHOP-14 (SHOP-14, 2222222)\n"
        "\n### Performance\n\n"
        "- **search:** fewer queries (3333333)\n"
        "\n### Reverts\n\n"
        "- feat: wheel (8888888)\n"
        "\n### Other changes\n\n"
        "- explain the cart (4444444)\n"
        "- tidy up (6666666)\n"
        "\n### Tickets\n\n"
        "- SHOP-12: Keep &lt;items&gt;\n"
    )


def test_what_was_undone_in_the_range_is_not_told():
    feat = change("feat: wheel", "1")
    undone = change(f'Revert "feat: wheel"\n\nThis reverts commit {"1" * 40}.', "2")
    assert render("1.0.1", [undone, feat]) == "## 1.0.1\n\nNo changes to tell.\n"


HOSTILE = [
    "<script>alert(1)</script>",
    "</li></ul><h1>x",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "a | b | c",
    "**bold** _it_ `code` ~~gone~~",
    "# heading",
    "- nested",
    "+ nested",
    "1. nested",
    "12) nested",
    "> quote",
    "---",
    "===",
    "```sh",
    "~~~",
    "&lt;b&gt; &amp; &copy;",
    "back\\slash \\* \\",
    "<!-- hidden -->",
    "[ref]: http://evil.example",
    "a\u202eb\u2066c",
]


def inline_text(html: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        html = html.replace(entity, character)
    return html


@pytest.mark.parametrize("text", HOSTILE)
def test_user_text_is_shown_as_written_and_cannot_change_the_page(text):
    shown = SHOW.render(render("", [change(f"fix: {text}")]))
    head, _, tail = shown.partition("<li>")
    assert head == "<h3>Fixes</h3>\n<ul>\n"
    expected = text.replace("\u202e", "").replace("\u2066", "")
    assert inline_text(tail) == f"{expected} (aaaaaaa)</li>\n</ul>\n"


@given(st.text(min_size=1, max_size=60))
def test_escaped_text_is_always_one_plain_paragraph(text):
    spelled = escape(text)
    assert "\n" not in spelled
    tokens = SHOW.parse(f"- x {spelled}\n")
    assert [token.type for token in tokens] == [
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
        "inline",
        "paragraph_close",
        "list_item_close",
        "bullet_list_close",
    ]
    assert {child.type for child in tokens[3].children} <= {"text", "text_special"}


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("#3 x", "#3 x"),
        ("# x", "\\# x"),
        ("#", "\\#"),
        ("### x", "\\### x"),
        ("#3, #10", "#3, #10"),
    ],
)
def test_a_number_of_an_issue_stays_a_link_and_a_heading_is_none(text, spelled):
    assert escape(text) == spelled


def test_tickets_are_listed_as_people_count():
    made = Commit("a" * 40, (), "A", "a@x", "2026-03-01T10:00:00Z", "feat: a\n\nRefs #10, #2, #1")
    told = render(
        "1", [parse(made, compile_pattern(r"#\d+"))], titles={"#10": "x", "#2": "y", "#1": "z"}
    )
    assert told.endswith("### Tickets\n\n- #1: z\n- #2: y\n- #10: x\n")


@given(st.text(min_size=1, max_size=60))
def test_escaped_text_starts_no_block(text):
    tokens = SHOW.parse(f"- {escape(text)} (abc)\n")
    assert [token.type for token in tokens][2:5] == ["paragraph_open", "inline", "paragraph_close"]


def test_the_same_changes_give_the_same_notes():
    changes = [change("feat: b SHOP-1", "1"), change("feat: a", "2")]
    assert render("1.0.0", changes) == render("1.0.0", list(changes))


NEW = "## 1.1.0\n\n### Fixes\n\n- x (aaaaaaa)\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"# Changelog\n\n{NEW}"),
        ("# Changes\n\nAll of them.\n", f"# Changes\n\nAll of them.\n\n{NEW}"),
        ("# Changes\n\n## 1.0.0\n\n- y\n", f"# Changes\n\n{NEW}\n## 1.0.0\n\n- y\n"),
        ("## [1.0.0] - 2026-01-01\n", f"{NEW}\n## [1.0.0] - 2026-01-01\n"),
        (
            "## Unreleased\n\n- z\n\n## v1.0.0\n",
            f"## Unreleased\n\n- z\n\n{NEW}\n## v1.0.0\n",
        ),
        (
            "# C\r\n\r\n## 1.0.0\r\n",
            "# C\r\n\r\n" + (NEW + "\n").replace("\n", "\r\n") + "## 1.0.0\r\n",
        ),
    ],
)
def test_notes_go_on_top_of_the_changelog_once(before, after):
    assert into_changelog(before, "1.1.0", NEW) == after
    assert into_changelog(after, "1.1.0", NEW) == after
