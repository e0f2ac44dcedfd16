"""Bytes a vector of indexes in memory or in files: HNSW, IVF, product quantization, DiskANN. Pure.

`width` is the bytes of the numbers of a vector, `links` M of an HNSW graph.
"""

from math import ceil, sqrt

from pricing.charges.vector_stores import number

LISTS_FACTOR = 4  # inverted lists: 4 times the square root of the number of vectors, as faiss advises
CENTROID_BYTES = 4  # of each dimension: centroids are float32


def hnsw(width: float, links: int) -> float:
    """Bytes of a row in hnswlib and Milvus: numbers, links of the lowest layer, and label with upper layers."""
    return width + number("hnsw", "link_bytes") * links + number("hnsw", "element_overhead")


def faiss_hnsw(width: float, links: int) -> float:
    """HNSW of faiss: as hnswlib, without labels."""
    return width + number("hnsw", "link_bytes") * links + number("faiss", "hnsw_overhead")


def lists_of(vectors: int) -> int:
    """How many inverted lists suit so many vectors."""
    return max(1, round(LISTS_FACTOR * sqrt(vectors)))


def faiss_ivf(vectors: int, dimensions: int, width: float, lists: int) -> float:
    """IVF of faiss: the numbers with an id, and the centroids."""
    return width + number("faiss", "id_bytes") + lists * dimensions * CENTROID_BYTES / max(1, vectors)


def faiss_ivf_pq(vectors: int, dimensions: int, parts: int, lists: int) -> float:
    """IVF with a product quantizer: a byte a part instead of the numbers, and the quantizer itself."""
    codebook = number("faiss", "pq_centroids") * dimensions * CENTROID_BYTES / max(1, vectors)
    return faiss_ivf(vectors, dimensions, parts, lists) + codebook


def diskann_disk(width: float) -> float:
    """DiskANN on SSD: whole nodes a sector, or whole sectors a node."""
    sector = number("diskann", "sector_bytes")
    node = width + number("diskann", "neighbour_bytes") * (number("diskann", "degree") + 1)
    return sector / (sector // node) if node <= sector else sector * ceil(node / sector)


def elasticsearch(element_bytes: float, links: int) -> float:
    """Elasticsearch in RAM: quantized numbers, and the graph."""
    return element_bytes + number("elasticsearch", "link_bytes") * links


def redis_index(width: float, links: int) -> float:
    """RediSearch HNSW, beside the hash that holds the vector."""
    return width + number("hnsw", "link_bytes") * links * number("redis", "link_factor")
