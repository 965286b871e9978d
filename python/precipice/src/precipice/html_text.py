# SPDX-License-Identifier: Apache-2.0
"""Text for the page and for the terminal, and tables that turn into lists where the page is narrow."""

import html
from typing import Any, Callable, Mapping, Optional, Sequence


def clean(text: Any) -> str:
    """Without control characters, such as those that command a terminal."""
    return "".join(character for character in str(text) if character.isprintable() or character in "\n\t")


def escape(text: Any) -> str:
    """For HTML text and attributes; control characters are dropped."""
    return html.escape(clean(text))


def code_list(names: Sequence[str]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in names)


def table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[int] = (),
    html_of: Optional[Mapping[int, Callable[[str], str]]] = None,
) -> str:
    """The first column names the row. Each cell carries its column's name, which a narrow page shows before it. `html_of`:
    by column, what makes HTML of its text, which is escaped otherwise."""

    def kind_of(index: int) -> str:
        return ' class="n"' if index in numeric else ""

    def cell(index: int, text: str) -> str:
        kind = kind_of(index)
        if index == 0:
            return f'<th scope="row"{kind}>{escape(text)}</th>'
        return f'<td{kind} data-of="{escape(columns[index])}">{(html_of or {}).get(index, escape)(text)}</td>'

    body = "\n".join(f"<tr>{''.join(cell(i, text) for i, text in enumerate(row))}</tr>" for row in rows)
    head = "".join(f'<th scope="col"{kind_of(i)}>{escape(name)}</th>' for i, name in enumerate(columns))
    return (
        f"<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    )


def folded(summary: str, body: str, identity: str = "") -> str:
    name = f' id="{identity}"' if identity else ""
    return f"<details{name}>\n<summary>{escape(summary)}</summary>\n{body}\n</details>" if body else ""
