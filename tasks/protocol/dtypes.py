"""."""

from typing import Literal

Dtype = Literal["float32", "float16", "int8", "binary"]
