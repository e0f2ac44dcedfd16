"""Elements of HTML and SVG that no content can break: every text is escaped unless it is Markup already.

Knows no page. A name in a run, a file or a region may be hostile; it can only ever become text.
"""

from collections.abc import Collection, Sequence
from html import escape

from launcher.format import count, plain

INLINE = {"b", "dd", "defs", "dt", "line", "span", "td", "th", "title"}  # all else ends its line
VOID = {"meta"}


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
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content="default-src 'none'; style-src 'unsafe-inline'",
        ),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(css)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *body), lang='en')}"


def section(title: str, note: str, *content: object, kind: str | None = None) -> Markup:
    """A part of the page under its own heading. `kind` is its class in the style sheet."""
    return tag(
        "section", tag("h2", title), tag("p", note, class_="note") if note else "", *content, class_=kind
    )


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
    """A table whose first column names its rows. Columns in `left` are aligned left; so are `wide`, which may wrap."""
    kinds = dict.fromkeys(left, "left") | dict.fromkeys(wide, "left wide")
    heads = (tag("th", text, scope="col", class_=kinds.get(i)) for i, text in enumerate(columns))
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_=kinds.get(0)),
            *(tag("td", cell, class_=kinds.get(i)) for i, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    return scroll(name, tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body)))


def _text(value: object) -> str:
    if isinstance(value, float):  # a coordinate: a hundredth of a pixel is enough
        return f"{round(value, 2) + 0.0:.10g}"
    return plain(value)
