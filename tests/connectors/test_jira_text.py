"""Markdown as Jira shows it: ADF documents for Cloud, wiki text for Data Center."""

from gare.connectors.jira_text import adf_text, to_adf, to_wiki
from gare.domain.commits import Commit, read_changes
from gare.domain.notes import render

NOTES = """## 1.4.0

### Features

- **cart:** pay with \\*stars\\* (SHOP-1, abc1234)
- call `pay{}` as the [manual](https://example.org/pay) says
  1. first
  2. then
"""


def test_notes_become_a_document_of_headings_lists_and_marks():
    document = to_adf(NOTES)
    assert (document["type"], document["version"]) == ("doc", 1)
    heading, below, bullets = document["content"]
    assert (heading["attrs"], below["attrs"]) == ({"level": 2}, {"level": 3})
    first, second = bullets["content"]
    assert first["content"][0]["content"] == [
        {"type": "text", "text": "cart:", "marks": [{"type": "strong"}]},
        {"type": "text", "text": " pay with *stars* (SHOP-1, abc1234)"},
    ]
    code, link = second["content"][0]["content"][1], second["content"][0]["content"][3]
    assert code == {"type": "text", "text": "pay{}", "marks": [{"type": "code"}]}
    assert link["marks"] == [{"type": "link", "attrs": {"href": "https://example.org/pay"}}]
    assert second["content"][1]["type"] == "orderedList"


def test_notes_become_wiki_text_with_its_own_markup_escaped():
    assert to_wiki(NOTES) == (
        "h2. 1.4.0\n\nh3. Features\n\n"
        "* *cart:* pay with \\*stars\\* (SHOP-1, abc1234)\n"
        "* call {{pay\\{\\}}} as the [manual|https://example.org/pay] says\n"
        "*# first\n*# then"
    )


def test_code_inside_bold_keeps_only_the_mark_that_adf_allows():
    text = to_adf("**bold `code`**")["content"][0]["content"]
    assert [node["marks"] for node in text] == [[{"type": "strong"}], [{"type": "code"}]]


def test_nothing_is_an_empty_document_and_html_stays_text():
    assert to_adf("")["content"] == [{"type": "paragraph"}]
    assert adf_text(to_adf("a <b>bold</b> claim")) == "a <b>bold</b> claim\n"
    assert to_wiki("<script>x</script>") == "<script>x</script>"


def test_a_quote_code_and_a_rule():
    markdown = "> said\n\n```\nx = {1}\n```\n\n---\n"
    assert to_wiki(markdown) == "{quote}\nsaid\n{quote}\n\n{code}\nx = {1}\n{code}\n\n----"
    kinds = [node["type"] for node in to_adf(markdown)["content"]]
    assert kinds == ["blockquote", "codeBlock", "rule"]


def test_what_a_person_wrote_in_a_commit_reads_the_same_in_both():
    subject = "feat: keep [a|b] {x} _y_ *z* ~w~ -v- !u! a\\b"
    commit = Commit("a" * 40, ("b" * 40,), "Erin", "e@x.org", "2026-01-01T00:00:00+00:00", subject)
    notes = render("", read_changes([commit], r"[A-Z]+-\d+", ()))
    wanted = subject.removeprefix("feat: ")
    assert wanted in adf_text(to_adf(notes))
    assert wanted in to_wiki(notes).replace("&#92;", "\0").replace("\\", "").replace("\0", "\\")
