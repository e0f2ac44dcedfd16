"""The text of HTML as a browser would show it: without scripts and styles, each block on lines of its own.

selectolax (lexbor) parses as browsers do, whatever is broken.
"""

import codecs
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from tasks.formats.documents.file_text import FileText, NoTextError, title_of
from tasks.formats.wide_encoding import wide_encoding_of

DECLARED_BYTES = 1_024  # in which HTML declares its encoding, as its standard says
CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)
# Elements whose contents no reader sees.
UNSEEN = frozenset(
    {
        "script",
        "style",
        "noscript",
        "template",
        "head",
        "svg",
        "math",
        "iframe",
        "object",
        "canvas",
        "select",
        "textarea",
    }
)
# Elements that stand in line with the text around them; all others begin and end lines.
INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "ins", "kbd", "label", "mark", "nobr", "q", "rp", "rt", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "img", "input", "button",
    "picture", "audio", "video", "source", "track", "area", "map",
))  # fmt: skip
CELLS = ("td", "th")
SPACE = re.compile(r"[ \t\r\n\f]+")
BLANK_LINES = re.compile(r"\n{3,}")
PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "table", "dl"}
)


def html_text(body: bytes) -> FileText:
    """The text and the title of a page.

    Raises:
        NoTextError: it is in an encoding that it does not declare.
    """
    parser = LexborHTMLParser(_decoded(body))
    title = parser.css_first("title") or parser.css_first("h1")
    root = parser.body or parser.root
    text = _shown(root) if root is not None else ""
    return FileText(text, title_of(title.text() if title else None))


def _decoded(body: bytes) -> str:
    body = body.removeprefix(codecs.BOM_UTF8)
    if wide := wide_encoding_of(body):
        raise NoTextError(f"the file is {wide}, not UTF-8")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        declared = CHARSET.search(body[:DECLARED_BYTES])
        name = declared[1].decode() if declared else ""
        # As browsers do: what calls itself Latin-1 is Windows-1252.
        name = "cp1252" if name.lower() in ("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii") else name
        try:
            return body.decode(name, "replace" if name == "cp1252" else "strict") if name else _refuse(error)
        except (LookupError, UnicodeError, ValueError) as other:
            raise NoTextError(f"invalid UTF-8, and not {name} as it says, either") from other


def _refuse(error: UnicodeDecodeError) -> str:
    raise NoTextError(f"invalid UTF-8 at byte {error.start}, and no other encoding is declared")


def _shown(root: LexborNode) -> str:
    """The text below a node. A loop and no recursion, because a page may be nested ever so deep."""
    parts: list[str] = []
    # What is still to be visited, the next last: a node, or text that ends one. And whether white space is kept.
    waiting: list[tuple[LexborNode | str, bool]] = [(root, False)]
    while waiting:
        node, kept = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        tag = node.tag or ""
        if node.is_text_node:
            found = node.text_content or ""
            parts.append(found if kept else SPACE.sub(" ", found))
        elif tag == "br":
            parts.append("\n")
        elif tag not in UNSEEN and not node.is_comment_node:
            edge = "" if tag in INLINE else "\t" if tag in CELLS else "\n\n" if tag in PARAGRAPHS else "\n"
            kept = kept or tag == "pre"
            parts.append("" if tag in CELLS else edge)
            waiting.append((edge, kept))
            children: list[tuple[LexborNode | str, bool]] = []
            child = node.child
            while child is not None:
                children.append((child, kept))
                child = child.next
            waiting += reversed(children)
    lines = "".join(parts).split("\n")
    return BLANK_LINES.sub("\n\n", "\n".join(line.strip(" \t") for line in lines)).strip()
