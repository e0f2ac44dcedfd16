"""Elements of HTML and SVG that no content can break: every text is escaped unless it is Markup already.

Knows no page. A name in a run, a file or a region may be hostile; it can only ever become text.
"""

from collections.abc import Collection, Sequence
from html import escape

from launcher.format import count, plain

INLINE = {"b", "dd", "defs", "dt", "line", "span", "td", "th", "title"}  # all else ends its line
VOID = {"link", "meta"}
STATIC_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # neither scripts nor requests
UNKNOWN = ("?", "")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Section = Markup | None  # None: there is nothing to show


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element. `class_` is the attribute class, and an underscore in any other is a hyphen.

    An attribute that is None is left out.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    line = "" if name in INLINE else "\n"
    if name in VOID:
        return Markup(f"<{name}{pairs}>{line}")
    return Markup(f"<{name}{pairs}>{join(*children)}</{name}>{line}")


def join(*children: object) -> Markup:
    """The children one after another, each escaped unless it is Markup."""
    return Markup("".join(c if isinstance(c, Markup) else escape(_text(c)) for c in children))


def document(title: str, css: str, *body: object) -> str:
    """A whole page. Its Content-Security-Policy forbids scripts and any request."""
    return html_page(title, STATIC_POLICY, (tag("style", Markup(css)),), body)


def html_page(title: str, policy: str, head: Sequence[Markup], body: Sequence[object]) -> str:
    """A whole page under a Content-Security-Policy. `head` holds its style sheet and, where it has one, its script."""
    whole = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        *head,
    )
    return f"<!DOCTYPE html>\n{tag('html', whole, tag('body', *body), lang='en')}"


def section(title: str, note: str, *content: object, kind: str | None = None) -> Markup:
    """A part of the page under its own heading. `kind` is its class in the style sheet."""
    return tag(
        "section", tag("h2", title), tag("p", note, class_="note") if note else "", *content, class_=kind
    )


def folded(summary: str, *content: object) -> Markup:
    """Content that is shown when the reader asks for it."""
    return tag("details", tag("summary", summary), *content)


def shown_of(shown: int, total: int, things: str) -> str:
    """How many things are shown, such as `The first 50 of 1,200 machines.`; empty if all are."""
    return "" if shown >= total else f"The first {count(shown)} of {count(total)} {things}."


def scroll(name: str, content: Markup) -> Markup:
    """A frame for content that may be wider than the screen; it can take the focus, so that a keyboard scrolls it."""
    return tag("div", content, class_="scroll", tabindex=0, role="region", aria_label=name)


def table(
    name: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    left: Collection[int] = (),
    wide: Collection[int] = (),
) -> Markup:
    """A table whose first column names its rows. Columns in `left` are aligned left; so are `wide`, which may wrap.

    A column in which nothing is known is left out, and a line below the table names it.
    """
    kinds = dict.fromkeys(left, "left") | dict.fromkeys(wide, "left wide")
    unknown = {i for i in range(1, len(columns)) if rows and _nothing_known([row[i] for row in rows])}
    kept = [i for i in range(len(columns)) if i not in unknown]
    heads = (tag("th", columns[i], scope="col", class_=kinds.get(i)) for i in kept)
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_=kinds.get(0)),
            *(tag("td", row[i], class_=kinds.get(i)) for i in kept[1:]),
        )
        for row in rows
    ]
    made = scroll(name, tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body)))
    missing = [columns[i] for i in sorted(unknown) if columns[i] and any(row[i] == "?" for row in rows)]
    if not missing:
        return made
    return join(made, tag("p", f"Not known of any row: {', '.join(missing)}.", class_="note"))


def _nothing_known(cells: Sequence[object]) -> bool:
    return all(isinstance(cell, str) and cell in UNKNOWN for cell in cells)


def _text(value: object) -> str:
    if isinstance(value, float):  # a coordinate: a hundredth of a pixel is enough
        return f"{round(value, 2) + 0.0:.10g}"
    return plain(value)
