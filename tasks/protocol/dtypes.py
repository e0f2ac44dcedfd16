"""Types in which vectors are stored: see `tasks.formats.vectors.quantize`. A file of its own, as that needs pyarrow."""

from typing import Literal

Dtype = Literal["float32", "float16", "int8", "binary"]
