"""Build real indexes and print their bytes as JSON: a script for the interpreter of `.venv-indexes`.

`python build_indexes.py FOLDER LIBRARY` where LIBRARY is faiss, hnswlib or diskann. Needs nothing of this repository.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROWS, DIMENSIONS, LINKS, LISTS = 5_000, 384, 16, 64
DISK_ROWS = 1_500  # DiskANN builds slowly
DISK_DIMENSIONS = (384, 768, 1_024)
PARTS = 48


def vectors(rows: int, dimensions: int) -> Any:
    np: Any = import_module("numpy")

    found = np.random.default_rng(7).standard_normal((rows, dimensions), np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def faiss_sizes() -> dict[str, int]:
    faiss: Any = import_module("faiss")
    np: Any = import_module("numpy")

    data = vectors(ROWS, DIMENSIONS)
    made: dict[str, Any] = {
        "hnsw float32": faiss.IndexHNSWFlat(DIMENSIONS, LINKS),
        "hnsw float16": faiss.IndexHNSWSQ(DIMENSIONS, faiss.ScalarQuantizer.QT_fp16, LINKS),
        "hnsw int8": faiss.IndexHNSWSQ(DIMENSIONS, faiss.ScalarQuantizer.QT_8bit, LINKS),
        "ivf float32": faiss.index_factory(DIMENSIONS, f"IVF{LISTS},Flat"),
        "ivf pq": faiss.index_factory(DIMENSIONS, f"IVF{LISTS},PQ{PARTS}"),
    }
    sizes: dict[str, int] = {}
    for name, index in made.items():
        index.train(data)
        index.add(data)
        sizes[name] = len(faiss.serialize_index(index))
    bits = faiss.IndexBinaryHNSW(DIMENSIONS, LINKS)
    bits.add(np.packbits(data > 0, axis=1))
    sizes["hnsw binary"] = len(faiss.serialize_index_binary(bits))
    return sizes


def hnswlib_sizes(folder: Path) -> dict[str, int]:
    hnswlib: Any = import_module("hnswlib")

    index = hnswlib.Index(space="cosine", dim=DIMENSIONS)
    index.init_index(max_elements=ROWS, ef_construction=100, M=LINKS)
    index.add_items(vectors(ROWS, DIMENSIONS))
    index.save_index(str(folder / "index.bin"))
    return {"hnsw float32": (folder / "index.bin").stat().st_size}


def diskann_sizes(folder: Path) -> dict[str, int]:
    diskannpy: Any = import_module("diskannpy")
    np: Any = import_module("numpy")

    sizes: dict[str, int] = {}
    for dimensions in DISK_DIMENSIONS:
        out = folder / str(dimensions)
        out.mkdir(parents=True)
        diskannpy.build_disk_index(
            data=vectors(DISK_ROWS, dimensions),
            distance_metric="l2",
            index_directory=str(out),
            complexity=64,
            graph_degree=64,
            search_memory_maximum=0.1,
            build_memory_maximum=1.0,
            num_threads=2,
            vector_dtype=np.float32,
        )
        sizes[str(dimensions)] = (out / "ann_disk.index").stat().st_size
    return sizes


def main() -> None:
    folder, library = Path(sys.argv[1]), sys.argv[2]
    if library == "faiss":
        sizes = faiss_sizes()
    else:
        sizes = hnswlib_sizes(folder) if library == "hnswlib" else diskann_sizes(folder)
    (folder / f"{library}.json").write_text(json.dumps(sizes), encoding="utf-8")


if __name__ == "__main__":
    main()
