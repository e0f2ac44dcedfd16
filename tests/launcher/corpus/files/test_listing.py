"""The listing of a corpus in a folder: every input file once, by a name that stays."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from launcher.corpus.files.listing import CorpusFile, Listing, find_files
from launcher.errors import Problem
from tasks.formats.endings import KIND_OF_ENDING
from tests.support.input_files import left_out, names, put
from tests.support.paths import ROOT


def only(listing: Listing) -> CorpusFile:
    (file,) = listing.files
    return file


def refusal(path: str, base: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        find_files(path, base)
    return caught.value


# --- what is found


def test_folder_lists_all_its_files_by_name(tmp_path: Path) -> None:
    put(tmp_path, "in/b.jsonl", "in/a.parquet", "in/c.txt")
    assert names(find_files("in", tmp_path)) == ["a.parquet", "b.jsonl", "c.txt"]


def test_folder_is_listed_recursively(tmp_path: Path) -> None:
    put(tmp_path, "in/2026/03/part-0.jsonl", "in/2025/part-0.jsonl", "in/part-0.jsonl")
    assert names(find_files("in", tmp_path)) == [
        "2025/part-0.jsonl",
        "2026/03/part-0.jsonl",
        "part-0.jsonl",
    ]


def test_path_of_a_file_lists_that_file(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl", "in/b.jsonl")
    found = find_files("in/a.jsonl", tmp_path)
    assert (found.root, names(found)) == (str(tmp_path / "in"), ["a.jsonl"])


def test_glob_lists_the_files_that_match(tmp_path: Path) -> None:
    put(tmp_path, "in/a-1.jsonl", "in/a-2.jsonl", "in/b-1.jsonl")
    assert names(find_files("in/a-*.jsonl", tmp_path)) == ["a-1.jsonl", "a-2.jsonl"]


def test_glob_may_cross_folders(tmp_path: Path) -> None:
    put(tmp_path, "in/x/a.jsonl", "in/y/z/a.jsonl", "in/y/b.txt")
    found = find_files("in/**/*.jsonl", tmp_path)
    assert (found.root, names(found)) == (str(tmp_path / "in"), ["x/a.jsonl", "y/z/a.jsonl"])


def test_glob_may_match_folders(tmp_path: Path) -> None:
    put(tmp_path, "in/2025/a.jsonl", "in/2026/a.jsonl", "in/old/a.jsonl")
    assert names(find_files("in/20*/a.jsonl", tmp_path)) == ["2025/a.jsonl", "2026/a.jsonl"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_absolute_path_ignores_the_base(tmp_path: Path, scheme: str) -> None:
    put(tmp_path, "in/a.jsonl")
    assert names(find_files(f"{scheme}{tmp_path}/in", Path("/nowhere"))) == ["a.jsonl"]


def test_brackets_in_the_base_folder_are_no_glob(tmp_path: Path) -> None:
    put(tmp_path, "jobs [1]/in/a.jsonl")
    assert names(find_files("in", tmp_path / "jobs [1]")) == ["a.jsonl"]
    assert names(find_files("in/*.jsonl", tmp_path / "jobs [1]")) == ["a.jsonl"]


def test_existing_file_with_brackets_is_no_glob(tmp_path: Path) -> None:
    put(tmp_path, "in/a[1].jsonl", "in/a1.jsonl")
    assert names(find_files("in/a[1].jsonl", tmp_path)) == ["a[1].jsonl"]
    assert names(find_files("in/a[12].jsonl", tmp_path)) == ["a1.jsonl"]


@pytest.mark.parametrize(
    "name", [".hidden.jsonl", "_SUCCESS.txt", ".git/a.jsonl", "_tmp/0/a.jsonl", "x/.a.txt"]
)
def test_hidden_and_underscore_names_are_ignored(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"in/{name}", "in/a.jsonl")
    found = find_files("in", tmp_path)
    assert names(found) == ["a.jsonl"]
    (left,) = found.left_out
    assert (left.files, left.kind.split(" ")[0]) == (1, "hidden")


def test_corpus_below_a_hidden_folder_is_listed(tmp_path: Path) -> None:
    put(tmp_path, ".cache/in/a.jsonl")
    assert names(find_files(".cache/in", tmp_path)) == ["a.jsonl"]


def test_unknown_suffixes_are_skipped_and_listed(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl", "in/b.odt", "in/B.ODT", "in/LICENSE", "in/d.gz")
    assert left_out(find_files("in", tmp_path)) == {".odt": 2, ".gz": 1, "without an ending": 1}


def test_dead_link_is_skipped_and_listed(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl")
    (tmp_path / "in" / "b.jsonl").symlink_to(tmp_path / "gone.jsonl")
    assert left_out(find_files("in", tmp_path)) == {"dead link": 1}


def test_link_to_a_file_is_listed_as_that_file(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere.jsonl", "in/a.jsonl")
    (tmp_path / "in" / "b.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    assert names(find_files("in", tmp_path)) == ["a.jsonl", "b.jsonl"]


def test_empty_file_is_listed(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl")
    put(tmp_path, "in/empty.jsonl", body=b"")
    assert [f.bytes for f in find_files("in", tmp_path).files] == [16, 0]


# --- what a file is


@pytest.mark.parametrize(("suffix", "kind"), KIND_OF_ENDING.items())
def test_kind_is_known_by_the_suffix(tmp_path: Path, suffix: str, kind: str) -> None:
    put(tmp_path, f"a{suffix}")
    file = only(find_files(f"a{suffix}", tmp_path))
    wanted = "document" if kind == "text" else kind
    assert (file.kind, file.compressed, file.bytes) == (wanted, False, 16)


@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".txt"])
def test_compressed_file_has_the_kind_inside_and_is_indivisible(
    tmp_path: Path, suffix: str, packing: str
) -> None:
    put(tmp_path, f"a{suffix}{packing}")
    file = only(find_files(f"a{suffix}{packing}", tmp_path, unit="line"))
    assert (file.kind, file.compressed, file.indivisible) == (KIND_OF_ENDING[suffix], True, True)


@pytest.mark.parametrize(
    ("suffix", "indivisible"), [(".jsonl", False), (".txt", False), (".csv", True), (".tsv", True)]
)
def test_files_with_quoted_line_ends_are_indivisible(tmp_path: Path, suffix: str, indivisible: bool) -> None:
    put(tmp_path, f"a{suffix}")
    assert only(find_files(f"a{suffix}", tmp_path, unit="line")).indivisible is indivisible


def test_bytes_of_a_corpus_are_the_sum_of_its_files(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", "b.jsonl", "c.doc")
    assert find_files(".", tmp_path).bytes == 32


# --- what is refused


def test_missing_path_is_a_problem(tmp_path: Path) -> None:
    problem = refusal("in", tmp_path)
    assert str(problem) == f"no corpus at {tmp_path / 'in'}"
    assert problem.hint == "set corpus.path to a file, a folder or a glob"
    (tmp_path / "notes").mkdir()
    assert refusal("ntoes", tmp_path).hint.endswith("; did you mean notes?")
    assert refusal("else/where", tmp_path).hint == problem.hint


def test_folder_without_input_is_a_problem_that_lists_skipped_files(tmp_path: Path) -> None:
    put(tmp_path, "in/a.xml", "in/b.doc")
    problem = refusal("in", tmp_path)
    left = "2 files left out: 1 .doc (b.doc), 1 .xml (a.xml)"
    assert str(problem) == f"no input at {tmp_path / 'in'}; {left}"
    assert ".parquet" in problem.hint


@pytest.mark.parametrize("path", ["in", "in/*.jsonl"])
def test_empty_folder_is_a_problem(tmp_path: Path, path: str) -> None:
    (tmp_path / "in").mkdir()
    assert str(refusal(path, tmp_path)).startswith("no input at ")


def test_only_empty_files_are_a_problem(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl", body=b"")
    left = "1 file left out: 1 empty file (a.jsonl)"
    assert str(refusal("in", tmp_path)) == f"no input at {tmp_path / 'in'}; {left}"


def test_unknown_scheme_is_refused(tmp_path: Path) -> None:
    problem = refusal("https://bucket/reviews/*.parquet", tmp_path)
    assert str(problem) == "no store for https://"
    assert problem.hint == "give a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"


def test_file_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.jsonl")  # noqa: PTH118 - a name that str cannot hold
    try:
        with open(path, "wb") as stream:  # noqa: PTH123
            stream.write(b"{}")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    problem = refusal(".", tmp_path)
    assert str(problem) == r"the file name 'caf\udce9.jsonl' is not valid UTF-8"
    assert problem.hint == "rename the file"


READ = """
import sys
from pathlib import Path
from launcher.corpus.files.listing import find_files
from launcher.errors import Problem
try:
    find_files(sys.argv[1], Path("/"))
except Problem as problem:
    print(problem)
"""


def test_unreadable_file_is_a_problem_that_names_it() -> None:
    code = READ
    if os.geteuid() == 0:  # root may read anything: change to another user
        code = f"import os, launcher.corpus.files.listing\nos.setuid(65534)\n{READ}"
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        put(Path(folder), "a.jsonl")
        path = Path(folder) / "a.jsonl"
        path.chmod(0)
        said = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
    assert said.stdout == f"cannot read {path}: Permission denied\n"


def test_folder_with_brackets_may_stand_before_a_glob(tmp_path: Path) -> None:
    (tmp_path / "part[1]").mkdir()
    (tmp_path / "part[1]/a.jsonl").write_text("{}")
    assert names(find_files("part[1]/*.jsonl", tmp_path)) == ["a.jsonl"]


def test_brackets_that_match_nothing_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    with pytest.raises(Problem) as caught:
        find_files("part[2]/a.jsonl", tmp_path)
    assert str(caught.value) == f"no input matches {tmp_path}/part[2]/a.jsonl"
    assert "[[]" in (caught.value.hint or "")


def test_caches_beside_a_saved_dataset_are_left_out_because_they_repeat_its_rows(tmp_path: Path) -> None:
    put(tmp_path, "in/data-00000-of-00001.arrow", "in/cache-1c80317fa3b1799d.arrow", "in/state.json")
    found = find_files("in", tmp_path)
    assert names(found) == ["data-00000-of-00001.arrow"]
    assert left_out(found)["cache of datasets beside its data"] == 1
    assert names(find_files("in/cache-*.arrow", tmp_path)) == ["cache-1c80317fa3b1799d.arrow"]
    put(tmp_path, "only/cache-1c80317fa3b1799d.arrow")
    assert names(find_files("only", tmp_path)) == ["cache-1c80317fa3b1799d.arrow"]


def test_a_pipe_that_is_named_in_full_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(Problem, match=r"pipe\.jsonl is a pipe, a socket or a device"):
        find_files("pipe.jsonl", tmp_path)
