"""What a corpus path finds on disk: each file once, behind links, too, and all else named."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from launcher.corpus.files.listing import find_files
from launcher.errors import Problem
from tests.support.input_files import left_out, names, put
from tests.support.paths import ROOT


def test_folders_that_a_glob_finds_are_read(tmp_path: Path) -> None:
    put(
        tmp_path,
        "in/1.jsonl",
        "in/2.jsonl/part-0.jsonl",
        "in/2.jsonl/sub/part-1.jsonl",
        "in/2.jsonl/_SUCCESS",
    )
    found = find_files("in/*.jsonl", tmp_path)
    assert names(found) == ["1.jsonl", "2.jsonl/part-0.jsonl", "2.jsonl/sub/part-1.jsonl"]
    assert left_out(found) == {"hidden file": 1}


def test_folders_are_found_at_any_depth(tmp_path: Path) -> None:
    put(tmp_path, "in/a/b/x.jsonl/0.jsonl", "in/x.jsonl/0.jsonl", "in/a/y.txt/0.jsonl")
    assert names(find_files("in/**/*.jsonl", tmp_path)) == [
        "a/b/x.jsonl/0.jsonl",
        "a/y.txt/0.jsonl",
        "x.jsonl/0.jsonl",
    ]


def test_partition_folders_are_read_whatever_they_begin_with(tmp_path: Path) -> None:
    put(tmp_path, "in/_part=1/a.jsonl", "in/.k=2/a.jsonl", "in/_tmp/a.jsonl", "in/_=/a.jsonl")
    found = find_files("in", tmp_path)
    assert names(found) == [".k=2/a.jsonl", "_part=1/a.jsonl"]
    assert left_out(found) == {"hidden folder": 2}


def test_capitals_are_as_good_as_small_letters(tmp_path: Path) -> None:
    put(tmp_path, "in/a.JSONL", "in/b.JsonL.GZ", "in/c.Parquet")
    assert [(file.kind, file.compressed) for file in find_files("in", tmp_path).files] == [
        ("jsonl", False),
        ("jsonl", True),
        ("parquet", False),
    ]


@pytest.mark.parametrize("path", ["in/_a.jsonl", "in/_*.jsonl", "in/_a*", "**/_a.jsonl"])
def test_a_hidden_name_that_is_written_out_is_read(tmp_path: Path, path: str) -> None:
    put(tmp_path, "in/_a.jsonl")
    assert [name.rpartition("/")[2] for name in names(find_files(path, tmp_path))] == ["_a.jsonl"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl", "in/sub/b.jsonl", "else/c.jsonl", "d.jsonl")
    links = tmp_path / "in"
    (links / "again.jsonl").symlink_to("a.jsonl")
    (links / "below").symlink_to("sub")
    (links / "other").symlink_to("../else")
    (links / "other2").symlink_to("../else")
    (links / "file.jsonl").symlink_to("../d.jsonl")
    (links / "file2.jsonl").symlink_to("../d.jsonl")
    found = find_files("in", tmp_path)
    assert names(found) == ["a.jsonl", "file.jsonl", "other/c.jsonl", "sub/b.jsonl"]
    assert left_out(found) == {"link to what is read already": 4}


def test_circles_of_links_end(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl", "in/sub/b.jsonl", "beside.jsonl")
    (tmp_path / "in/self").symlink_to(".")
    (tmp_path / "in/sub/up").symlink_to("..")
    (tmp_path / "in/sub/out").symlink_to("../..")
    (tmp_path / "in/root").symlink_to("/")
    (tmp_path / "in/loop.jsonl").symlink_to("loop.jsonl")
    found = find_files("in", tmp_path)
    assert names(found) == ["a.jsonl", "sub/b.jsonl"]
    assert left_out(found) == {
        "link to a folder around the corpus": 2,
        "link to what is read already": 2,
        "dead link": 1,
    }


def test_two_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl", "x/b.jsonl", "y/c.jsonl")
    (tmp_path / "in/x").symlink_to("../x")
    (tmp_path / "x/y").symlink_to("../y")
    (tmp_path / "y/x").symlink_to("../x")
    assert names(find_files("in", tmp_path)) == ["a.jsonl", "x/b.jsonl", "x/y/c.jsonl"]


def test_what_is_no_plain_file_is_named(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl")
    os.mkfifo(tmp_path / "in/pipe.jsonl")
    assert left_out(find_files("in", tmp_path)) == {"no plain file": 1}


def test_empty_files_are_named(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl")
    (tmp_path / "in/b.parquet").touch()
    assert left_out(find_files("in", tmp_path)) == {"empty file": 1}


READ = """
import sys
from pathlib import Path
from launcher.corpus.files.listing import find_files
from launcher.errors import Problem
import os
find_files("/usr/lib/os-release", Path("/"), kind="text")  # imports what it needs, as this user
if os.geteuid() == 0:  # root may list anything: change to another user
    os.setuid(65534)
for path in sys.argv[1:]:
    try:
        print([file.path for file in find_files(path, Path("/")).files])
    except Problem as problem:
        print(problem)
"""


def test_a_folder_that_cannot_be_listed_is_refused_and_lost_found_is_not() -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        put(root, "a.jsonl", "sub/b.jsonl", "other/lost+found/c.jsonl", "other/d.jsonl")
        shut = [root / "sub", root / "other/lost+found"]
        for one in shut:
            one.chmod(0)
        said = subprocess.run(
            [sys.executable, "-c", READ, folder, f"{folder}/**/*.jsonl", f"{folder}/other"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        for one in shut:
            one.chmod(0o755)
    refusal = f"cannot list the folder {root}/sub: Permission denied"
    assert said.stdout.splitlines() == [refusal, refusal, "['d.jsonl']"]


# --- formats that need words


def test_descriptions_beside_data_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "in/a.parquet", "in/a.tar", "in/a_stats.json", "in/state.json")
    found = find_files("in", tmp_path)
    assert names(found) == ["a.parquet"]
    assert left_out(found) == {".json beside other formats": 2, ".tar beside other formats": 1}


def test_archives_go_before_the_json_beside_them(tmp_path: Path) -> None:
    put(tmp_path, "in/a.tar", "in/a_stats.json")
    assert names(find_files("in", tmp_path)) == ["a.tar"]


@pytest.mark.parametrize("path", ["in", "in/*.json"])
def test_json_is_read_where_it_is_alone_or_named(tmp_path: Path, path: str) -> None:
    put(tmp_path, "in/a.json", "in/b.json")
    if path != "in":
        put(tmp_path, "in/c.parquet")
    assert names(find_files(path, tmp_path)) == ["a.json", "b.json"]


def test_packed_parquet_is_refused_unless_the_job_says_what_it_is(tmp_path: Path) -> None:
    put(tmp_path, "in/a.parquet.gz", "in/b.jsonl")
    with pytest.raises(Problem, match=r"a\.parquet\.gz is Parquet inside a compressed file"):
        find_files("in", tmp_path)
    files = find_files("in/a.parquet.gz", tmp_path, kind="parquet").files
    assert [(file.kind, file.compressed) for file in files] == [("parquet", False)]


def test_a_format_goes_before_endings(tmp_path: Path) -> None:
    put(tmp_path, "in/part-0", "in/a.txt", "in/b.txt.gz", "in/_SUCCESS")
    files = find_files("in", tmp_path, kind="jsonl").files
    assert [(file.path, file.kind, file.compressed) for file in files] == [
        ("a.txt", "jsonl", False),
        ("b.txt.gz", "jsonl", True),
        ("part-0", "jsonl", False),
    ]


@pytest.mark.parametrize("path", ["in", "in/x.lance", "in/*.lance"])
def test_a_lance_dataset_is_refused_by_name(tmp_path: Path, path: str) -> None:
    put(tmp_path, "in/x.lance/_versions/1.manifest", "in/x.lance/data/0.lance", "in/a.jsonl")
    with pytest.raises(Problem, match=r"in/x\.lance is a Lance dataset") as caught:
        find_files(path, tmp_path)
    assert "to_batches" in (caught.value.hint or "")


def test_the_log_of_a_delta_table_is_named(tmp_path: Path) -> None:
    put(tmp_path, "in/_delta_log/0.json", "in/a.jsonl")
    (left,) = find_files("in", tmp_path).left_out
    assert left.kind == "Delta log (rows that it deletes are read)"


LOGS = [
    ("_delta_log/0.json", "Delta log (rows that it deletes are read)"),
    (".hoodie/hoodie.properties", "Hudi timeline (rows that it replaces are read)"),
    ("metadata/v1.metadata.json", "Iceberg metadata (rows that it deletes are read)"),
]


@pytest.mark.parametrize(("log", "kind"), LOGS)
@pytest.mark.parametrize("path", ["t", "t/*.jsonl", "t/data", "t/data/*.jsonl", ".", "*/data/*.jsonl"])
def test_the_log_of_a_table_is_named_wherever_the_path_leads(
    log: str, kind: str, path: str, tmp_path: Path
) -> None:
    put(tmp_path / "t", log, "a.jsonl", "data/b.jsonl", "data/day=1/c.jsonl")
    listing = find_files(path, tmp_path)
    assert left_out(listing)[kind] == 1
    assert not any("metadata" in name for name in names(listing))


def test_a_folder_called_metadata_is_no_table(tmp_path: Path) -> None:
    put(tmp_path, "in/metadata/a.jsonl", "in/b.jsonl")
    assert find_files("in", tmp_path).left_out == ()
