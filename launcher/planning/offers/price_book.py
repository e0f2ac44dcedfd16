"""Find the price book that a command uses: the file that was named, the user's own, or the snapshot."""

import os
from pathlib import Path

from launcher.errors import Usage
from pricing.book import book_versions
from pricing.book.price_book import BadBookError, load


def book_of(price_book: Path | None, *, offline: bool) -> book_versions.CurrentBook:
    """The prices that a command uses: the named file, else the user's own book, else the snapshot.

    `offline` leaves out the user's own book.

    Raises:
        Usage: the named file is not a valid price book.
    """
    if price_book is not None:
        try:
            return book_versions.CurrentBook(load(price_book), price_book)
        except BadBookError as error:
            raise Usage(
                str(error), hint="correct those lines; embedfleet prices --json shows the fields"
            ) from error
    if offline:
        return book_versions.CurrentBook(load(), None)
    return book_versions.find_current(book_versions.books_folder(os.environ))
