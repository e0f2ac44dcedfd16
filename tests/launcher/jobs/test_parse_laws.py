"""Laws of the parser: any text is a job or a list of mistakes, and both can be written to a file."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.jobs.job import Job, dump, load
from launcher.jobs.parse import parse
from launcher.jobs.yaml_fields import BadJob
from tests.launcher.jobs.job_texts import COMPLETE, SHORT

SCRAPS = st.sampled_from(
    [
        "name",
        "corpus",
        "model",
        "output",
        "limits",
        "chunk",
        "quota",
        "local",
        "deadline",
        "path",
        "a",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\t",
        "'",
        '"',
        "#",
        "|\n",
        ">\n",
        "? ",
        "&a ",
        "*a",
        "!!",
        "!!int ",
        "!!bool ",
        "!!timestamp ",
        "!!map ",
        "!!set ",
        "!",
        "<<: ",
        "---",
        "...",
        "%YAML 1.",
        "\\u",
        "\\U",
        "~",
        "null",
        ".nan",
        "1e999",
        "-0",
        "$1,200",
        "6h",
        "1:30",
        "=",
        "\ufeff",
    ]
)
TEXTS = st.one_of(
    st.text(),
    st.lists(SCRAPS | st.text(max_size=3), max_size=40).map("".join),
    st.lists(SCRAPS, max_size=12).map(lambda scraps: SHORT + "".join(scraps)),
    st.tuples(st.integers(0, len(COMPLETE)), st.integers(0, 9), SCRAPS | st.text(max_size=2)).map(
        lambda cut: COMPLETE[: cut[0]] + cut[2] + COMPLETE[cut[0] + cut[1] :]
    ),
)


def outcome(text: str) -> Job | BadJob:
    try:
        return parse(text)
    except BadJob as error:
        return error


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_a_job_or_a_list_of_mistakes_in_it(text: str) -> None:
    found = outcome(text)
    if isinstance(found, Job):
        assert load(json.loads(json.dumps(dump(found)))) == found
    else:
        assert found.mistakes
        assert all(1 <= m.line <= len(text.splitlines()) + 1 for m in found.mistakes)


@settings(deadline=None)
@given(TEXTS)
def test_parsed_values_can_be_written_to_a_file(text: str) -> None:
    found = outcome(text)
    assert (json.dumps(dump(found), ensure_ascii=False) if isinstance(found, Job) else str(found)).encode()
