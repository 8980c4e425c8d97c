"""Markdown -> what Jira shows: ADF documents (Cloud, v3) or wiki text (Data Center, v2). Part of gare.connectors.jira.

Knows the Markdown that Gare writes: headings, lists, emphasis, code, links, quotes, rules. HTML stays text.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

Node = dict[str, Any]

_BLOCKS: Mapping[str, str] = {
    "paragraph": "paragraph",
    "bullet_list": "bulletList",
    "list_item": "listItem",
    "blockquote": "blockquote",
}
_MARKS: Mapping[str, str] = {"strong": "strong", "em": "em", "code_inline": "code"}
_WIKI_MARKS: Mapping[str, str] = {"strong": "*", "em": "_"}
_WIKI_SPECIAL = re.compile(r"[{}\[\]*_^~+!|]|(?<!\w)[-?](?=\S)|^[#-](?=\s)")


def to_adf(markdown: str) -> Node:
    """Return an Atlassian Document Format document, version 1."""
    content = [_adf_block(node) for node in _tree(markdown).children]
    return {"type": "doc", "version": 1, "content": content or [{"type": "paragraph"}]}


def adf_text(document: Any) -> str:
    """Return the words of an ADF document, one line a block."""
    if not isinstance(document, dict):
        return str(document or "")
    if document.get("type") == "hardBreak":
        return "\n"
    inner = "".join(adf_text(node) for node in document.get("content", ()))
    is_block = document.get("type") not in ("text", "doc")
    return str(document.get("text", "")) + inner + ("\n" if is_block else "")


def to_wiki(markdown: str) -> str:
    """Return Jira's wiki text."""
    return "\n\n".join(_wiki_block(node, "") for node in _tree(markdown).children)


def _tree(markdown: str) -> "SyntaxTreeNode":
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    reader = MarkdownIt("commonmark", {"html": False}).disable("html_block").disable("html_inline")
    return SyntaxTreeNode(reader.parse(markdown))


def _adf_block(node: "SyntaxTreeNode") -> Node:
    match node.type:
        case "heading":
            attrs = {"level": int(node.tag[1:])}
            return {"type": "heading", "attrs": attrs, "content": _adf_inline(node)}
        case "ordered_list":
            content = [_adf_block(child) for child in node.children]
            order = int(node.attrs.get("start", 1))
            return {"type": "orderedList", "attrs": {"order": order}, "content": content}
        case "fence" | "code_block":
            text = [{"type": "text", "text": node.content.rstrip("\n")}] if node.content else []
            return {"type": "codeBlock", "content": text}
        case "hr":
            return {"type": "rule"}
        case "paragraph":
            return {"type": "paragraph", "content": _adf_inline(node)}
        case _:
            content = [_adf_block(child) for child in node.children]
            return {"type": _BLOCKS.get(node.type, "paragraph"), "content": content}


def _adf_inline(node: "SyntaxTreeNode", marks: tuple[Node, ...] = ()) -> list[Node]:
    found: list[Node] = []
    for child in node.children:
        match child.type:
            case "hardbreak":
                found.append({"type": "hardBreak"})
            case "inline" | "image":
                found += _adf_inline(child, marks)
            case "link":
                link = {"type": "link", "attrs": {"href": str(child.attrs["href"])}}
                found += _adf_inline(child, (*marks, link))
            case "strong" | "em":
                found += _adf_inline(child, (*marks, {"type": _MARKS[child.type]}))
            case _:
                # `code` goes with no mark but a link (ADF, "Marks - code").
                own = [{"type": "code"}] if child.type == "code_inline" else []
                kept = [m for m in marks if not own or m["type"] == "link"]
                found += _adf_text_node(_plain(child), [*kept, *own])
    return found


def _adf_text_node(text: str, marks: Iterable[Node]) -> list[Node]:
    """Return a text node; ADF allows no empty one."""
    if not text:
        return []
    node: Node = {"type": "text", "text": text}
    return [node | ({"marks": found} if (found := list(marks)) else {})]


def _plain(node: "SyntaxTreeNode") -> str:
    return " " if node.type == "softbreak" else node.content


def _wiki_block(node: "SyntaxTreeNode", bullets: str) -> str:
    match node.type:
        case "heading":
            return f"h{node.tag[1:]}. {_wiki_inline(node)}"
        case "bullet_list" | "ordered_list":
            bullets += "#" if node.type == "ordered_list" else "*"
            return "\n".join(_wiki_item(child, bullets) for child in node.children)
        case "fence" | "code_block":
            return "{code}\n" + node.content.rstrip("\n") + "\n{code}"
        case "blockquote":
            inner = "\n\n".join(_wiki_block(child, "") for child in node.children)
            return "{quote}\n" + inner + "\n{quote}"
        case "hr":
            return "----"
        case _:
            return _wiki_inline(node)


def _wiki_item(item: "SyntaxTreeNode", bullets: str) -> str:
    """Return a list entry: its own words on one line, lists inside it below."""
    lines = [_wiki_block(child, bullets) for child in item.children]
    return f"{bullets} " + "\n".join(lines)


def _wiki_inline(node: "SyntaxTreeNode") -> str:
    return "".join(_wiki_span(child) for child in node.children)


def _wiki_span(node: "SyntaxTreeNode") -> str:
    match node.type:
        case "strong" | "em":
            mark = _WIKI_MARKS[node.type]
            return f"{mark}{_wiki_inline(node)}{mark}"
        case "link":
            return f"[{_wiki_inline(node)}|{node.attrs['href']}]"
        case "code_inline":
            return "{{" + _wiki_escaped(node.content) + "}}"
        case "hardbreak":
            return "\n"
        case "inline" | "image":
            return _wiki_inline(node)
        case _:
            return _wiki_escaped(_plain(node))


def _wiki_escaped(text: str) -> str:
    r"""Return text that wiki text shows as written; `\\` would be a line break there."""
    text = text.replace("\\", "&#92;")
    return _WIKI_SPECIAL.sub(lambda found: f"\\{found[0]}", text)
