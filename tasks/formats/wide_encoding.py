"""Notice text of two or four bytes a character, which is read as if it was UTF-8."""

import codecs

MARKS = (  # as bytes; UTF-32 first, because its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# Where the first four bytes are zero, in text without a mark that begins with ASCII: then the order is part of the name.
ZEROS = {
    (False, True, True, True): "UTF-32LE",
    (True, True, True, False): "UTF-32BE",
    (False, True, False, True): "UTF-16LE",
    (True, False, True, False): "UTF-16BE",
}


def wide_encoding(text: str) -> str | None:
    """The encoding of a text that was read as UTF-8 with surrogates for other bytes."""
    return wide_encoding_of(text[:8].encode("utf-8", "surrogateescape"))


def wide_encoding_of(body: bytes) -> str | None:
    """The encoding of a file by its first bytes, as iconv and Python call it: by its mark, or by its zeros.

    None: it is neither UTF-16 nor UTF-32.
    """
    if len(body) < 4:
        return None
    for mark, name in MARKS:
        if body.startswith(mark):
            return name
    first, second, third, fourth = (byte == 0 for byte in body[:4])
    return ZEROS.get((first, second, third, fourth))
