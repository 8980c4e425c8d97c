"""The notes as the people of the station read them: what is published, and what tickets and commits say of each other.

The second part is for nobody outside: pages, tags and files that others read have the notes alone. Pure.
"""

from gare.domain.plan import Plan
from gare.domain.scope import MATCHED
from gare.reports.markdown import escape, table


def notes_page(plan: Plan) -> str:
    """Return the page of one release."""
    head = f"# {escape(plan.title)} {escape(plan.version)}\n\n{plan.notes}"
    return "\n\n".join(part for part in (head, scope_section(plan)) if part)


def scope_section(plan: Plan) -> str:
    """Return what does not fit together; empty when all does, or nobody keeps tickets."""
    if not plan.tickets:
        return ""
    odd = [ticket for ticket in plan.tickets if ticket.verdict != MATCHED]
    rows = [
        [escape(t.key), escape(t.verdict), escape(t.title), escape(t.status)]
        for t in sorted(odd, key=lambda ticket: (ticket.verdict, ticket.key))
    ]
    without = [one for one in plan.commits if not one.tickets and not one.is_merge]
    parts = ["## Tickets and code (not published)"] if rows or without else []
    if rows:
        parts.append(table(["ticket", "verdict", "title", "status"], rows))
    if without:
        named = "\n".join(f"- `{one.sha[:12]}` {escape(one.subject)}" for one in without)
        parts.append(f"Commits that name no ticket:\n\n{named}")
    return "\n\n".join(parts)
