"""How many vectors of which shape a job will give: what index sizes are computed of. Pure but for the model's folder."""

from launcher.index_sizes.size import VectorSet
from launcher.jobs.job import Job
from launcher.planning.request import model_shape
from tasks.models.files import HASH_DIMENSIONS, HASH_MODEL


def planned_vectors(job: Job, model: str, chunks: int) -> VectorSet | None:
    """The vectors of a job with so many chunks; None where the dimensions of its model are not known.

    Raises:
        Usage: no model of this name is known.
    """
    dimensions = job.output.dimensions if job.output else None
    if dimensions is None:
        shape = model_shape(job, model)
        dimensions = HASH_DIMENSIONS if model == HASH_MODEL else shape and shape.dimensions
    dtype = job.output.dtype if job.output else "float32"
    return None if dimensions is None or chunks < 1 else VectorSet(chunks, dimensions, dtype)
