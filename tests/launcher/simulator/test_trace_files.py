"""Trace files: what is read, and that every mistake is refused with the number of its line."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from launcher.errors import Usage
from launcher.simulator import trace_files
from launcher.simulator.trace_files import read_traces
from launcher.simulator.traces import TraceSet, with_machines

GOOD = (
    "place,at,available,usd_per_hour\naws/us-east-2,0,4,0.5\naws/us-east-2,120,0,\naws/us-east-2,300,2,0.7\n"
)
HEADER = "place,at,available\n"
PROBES = (
    "source,cloud,accelerator,instance_type,zone,requested,gap_seconds,tick,available\n"
    "one,aws,V100,p3.2xlarge,us-east-1a,1,120,0,1\n"
    "one,aws,V100,p3.2xlarge,us-east-1a,1,120,1,0\n"
)


def written(folder: Path, text: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problem(path: Path, source: str | None = None) -> tuple[str, str]:
    with pytest.raises(Usage) as caught:
        read_traces(path, source)
    return str(caught.value), caught.value.hint


def check_good(found: TraceSet) -> None:
    (place,) = found.places
    assert place.place == "aws/us-east-2"
    assert place.available.tolist() == [4, 4, 0, 0, 0, 2]
    assert place.usd_per_hour is not None
    assert place.usd_per_hour.tolist() == [
        0.5,
        0.5,
        0.5,
        0.5,
        0.5,
        0.7,
    ]  # an unknown price: the one before it


def test_csv_is_a_step_function_by_minute(tmp_path: Path) -> None:
    check_good(read_traces(written(tmp_path, GOOD)))


def test_compressed_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(GOOD.encode()))
    (tmp_path / "a.csv.zst").write_bytes(zstd.compress(GOOD.encode()))
    check_good(read_traces(tmp_path / "a.csv.gz"))
    check_good(read_traces(tmp_path / "a.csv.zst"))


def test_parquet_is_read_with_times_as_times(tmp_path: Path) -> None:
    at = [datetime.fromtimestamp(60.0 * n, UTC) for n in (0, 2, 5)]
    table = pa.table(
        {
            "place": ["aws/us-east-2"] * 3,
            "at": at,
            "available": [4, 0, 2],
            "usd_per_hour": [0.5, None, 0.7],
        }
    )
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema) as writer:
        writer.write_table(table)
    check_good(read_traces(tmp_path / "a.parquet"))


def test_iso_times_are_read(tmp_path: Path) -> None:
    text = f"{HEADER}a/b,2026-11-01T00:00,1\na/b,2026-11-01T00:03:00Z,0\n"
    (place,) = read_traces(written(tmp_path, text)).places
    assert place.available.tolist() == [1, 1, 1, 0]


def test_places_share_one_time_span(tmp_path: Path) -> None:
    text = f"{HEADER}a/b,0,1\na/b,180,0\nc/d,60,3\n"
    one, other = read_traces(written(tmp_path, text)).places
    assert one.available.tolist() == [1, 1, 1, 0]
    assert other.available.tolist() == [3, 3, 3, 3]


def test_probes_are_read(tmp_path: Path) -> None:
    found = read_traces(written(tmp_path, PROBES))
    assert found.places[0].place == "aws/us-east-1/us-east-1a"
    assert found.places[0].available.tolist() == [1, 1, 0]
    assert found.about == "V100, AWS"


def test_one_of_several_sources_must_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, PROBES + "two,aws,V100,p3.2xlarge,us-east-1a,1,60,0,1\n")
    what, hint = problem(path)
    assert "2 traces: one, two" in what
    assert "#one" in hint
    assert read_traces(path, "two").minutes == 1
    assert "no 'three'" in problem(path, "three")[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (HEADER, "has no row"),
        ("place,at\na/b,0\n", "has no column available"),
        ("place,at,available,color\na/b,0,1,red\n", "unknown column color"),
        ("place,at,at,available\na/b,0,0,1\n", "a column twice"),
        (f"{HEADER}a/b,0,1\na/b,60,-1\n", "line 3: '-1' is no number of machines"),
        (f"{HEADER}a/b,0,1.5\n", "line 2: '1.5' is no number of machines"),
        (f"{HEADER}a/b,0,nan\n", "line 2: 'nan' is no number of machines"),
        (f"{HEADER}a/b,0,\n", "line 2: '' is no number of machines"),
        (f"{HEADER}a/b,60,1\na/b,0,1\n", "line 3: a/b goes back in time"),
        (f"{HEADER}a/b,0,1\nc/d,0,1\na/b,0,2\n", "line 4: a/b has two rows of one moment"),
        (f"{HEADER}a/b,soon,1\n", "line 2: 'soon' is no time"),
        (f"{HEADER}a/b,-5,1\n", "line 2: '-5' is no time"),
        (f"{HEADER}a/b,inf,1\n", "line 2: 'inf' is no time"),
        (f"{HEADER}a/b,0,1\na/b,2026-11-01,1\n", "line 3: times in seconds and ISO times"),
        (f"{HEADER},0,1\n", "line 2: no place"),
        (f"{HEADER}a/b,0\n", "line 2: 2 values for 3 columns"),
        ("place,at,available,usd_per_hour\na/b,0,1,0\n", "line 2: '0' is no price"),
        ("place,at,available,usd_per_hour\na/b,0,1,-1\n", "line 2: '-1' is no price"),
        (f"{HEADER}a/b,0,1\na/b,4000000000,1\n", "more than 50,000,000"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    what, hint = problem(written(tmp_path, text))
    assert said in what
    assert hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in problem(tmp_path / "none.csv")[0]
    assert "is a folder" in problem(tmp_path)[0]
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(GOOD.encode() * 1000)[:60])
    assert "cannot read" in problem(tmp_path / "cut.csv.gz")[0]
    (tmp_path / "text.parquet").write_text(GOOD)
    assert "cannot read" in problem(tmp_path / "text.parquet")[0]
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + b"a\xff/b,0,1\n")
    assert "cannot read" in problem(tmp_path / "latin.csv")[0]
    assert "no 'two'" in problem(written(tmp_path, GOOD), "two")[0]


def test_files_that_unpack_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_files, "MOST_BYTES", 200)
    rows = "".join(f"a/b,{n},1\n" for n in range(100))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(f"{HEADER}{rows}".encode()))
    assert "more than 2 GB" in problem(tmp_path / "a.csv.gz")[0]


def test_each_is_for_traces_that_do_not_count(tmp_path: Path) -> None:
    flags = read_traces(written(tmp_path, f"{HEADER}a/b,0,1\na/b,60,0\n"))
    assert with_machines(flags, 8).places[0].available.tolist() == [8, 0]
    with pytest.raises(Usage, match="counts machines already"):
        with_machines(read_traces(written(tmp_path, GOOD)), 8)
