"""A glob matches what a regular expression of its parts matches."""

import re

from hypothesis import given
from hypothesis import strategies as st

from launcher.corpus.files.globs import Pattern


@given(
    st.lists(st.sampled_from("ab"), max_size=4),
    st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=1, max_size=4),
)
def test_glob_reads_what_a_regular_expression_of_parts_matches_and_all_below(
    parts: list[str], pattern: list[str]
) -> None:
    """As a regular expression says it, which is another way to write it down."""
    body = ""
    for place, part in enumerate(pattern):
        last = place == len(pattern) - 1
        if part == "**":
            body += "(?:[^/]+/)+" if last else "(?:[^/]+/)*"
        else:
            body += ("[^/]+" if part == "*" else part) + "/"
    wanted = any(
        re.fullmatch(body, "".join(f"{part}/" for part in parts[:n])) for n in range(1, len(parts) + 1)
    )
    assert Pattern(pattern).matches(parts) == wanted
