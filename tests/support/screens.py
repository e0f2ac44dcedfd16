"""What a rich renderable looks like on a terminal."""

from io import StringIO

from rich.console import Console, RenderableType


def printed(renderable: RenderableType, width: int = 110) -> str:
    """The text on a terminal of this width, without colours and without spaces at the ends of lines."""
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
