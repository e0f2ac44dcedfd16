"""Text files: text as it is, and the title that Markdown and reStructuredText give it. Pure."""

import re
from itertools import pairwise
from pathlib import PurePosixPath

from tasks.formats.documents.file_text import title_of
from tasks.formats.endings import compression_of

MARKDOWN = (".md", ".markdown")
SEARCHED_CHARACTERS = 2**16  # at the beginning, in which a title is looked for
FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
FRONT_TITLE = re.compile(r"^title:[ \t]*(['\"]?)(.+?)\1[ \t]*$", re.MULTILINE)
FENCE = re.compile(r" {0,3}(```|~~~)")
HEADING = re.compile(r" {0,3}#[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*")
UNDERLINE = re.compile(r"([=\-`:'\"~^_*+#<>.])\1{2,}[ \t]*")


def title_of_text(name: str, text: str) -> str | None:
    """The title of a file of Markdown (in its front matter, or its first heading) or reStructuredText."""
    path = PurePosixPath(name.lower())
    ending = path.with_suffix("").suffix if compression_of(name) else path.suffix
    beginning = text[:SEARCHED_CHARACTERS]
    if ending in MARKDOWN:
        return title_of(_of_markdown(beginning))
    return title_of(_of_rst(beginning)) if ending == ".rst" else None


def _of_markdown(text: str) -> str | None:
    front = FRONT_MATTER.match(text)
    named = FRONT_TITLE.search(front[1]) if front else None
    if named:
        return named[2]
    fence: str | None = None  # the mark that ends the code block at hand
    before = ""
    for line in text[front.end() if front else 0 :].splitlines():
        found = FENCE.match(line)
        if found and fence in (None, found[1]):
            fence = None if fence else found[1]
        elif fence is None:
            heading = HEADING.fullmatch(line)
            if heading:
                return heading[1]
            if before.strip() and line.strip("= \t") == "" and line.strip():
                return before
        before = line
    return None


def _of_rst(text: str) -> str | None:
    """The first line with a line of punctuation below it that is at least as long."""
    for line, below in pairwise(text.splitlines()):
        if line.strip() and not UNDERLINE.fullmatch(line) and UNDERLINE.fullmatch(below):
            return line if len(below.rstrip()) >= len(line.strip()) else None
    return None
