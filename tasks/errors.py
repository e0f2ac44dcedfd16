"""The base of all errors for users: what happened, and what to try next. Everything else is a bug with a traceback."""

from tasks.printable import plain, plain_lines


class Problem(Exception):  # noqa: N818 - the name says what it is to a user, as CONTRIBUTING.md#style has it
    """An error that the user can act on. `hint` is the next thing to try; `code` is the exit status.

    Its text may quote foreign names as they are: who prints it makes it `printable`. Where `multiline` is set, the line
    breaks of the text are ours.
    """

    code = 1
    multiline = False

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what)
        self.hint = hint

    def two_lines(self) -> str:
        """What a program prints before it exits, without control characters."""
        what = plain_lines(self) if self.multiline else plain(self)
        return f"Error: {what}\nTry: {plain(self.hint)}"
