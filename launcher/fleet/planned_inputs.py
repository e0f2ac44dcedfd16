"""Whether the corpus and the model of a run are still where its plan saw them, before anything of the run is changed."""

from pathlib import Path

from launcher.fleet.provisioner import is_rented
from launcher.planning.saved_plan import SavedPlan
from tasks.models.fingerprint import check_model
from tasks.models.semantic_chunks import check_splitter
from tasks.protocol import manifest
from tasks.protocol.manifest import Header


def check_planned_inputs(plan: SavedPlan, header: Header) -> None:
    """Check what can be checked on this machine: a rented machine checks for itself what it reads.

    Raises:
        RunNotFound: the corpus is a folder of another machine.
        SplitterChanged: this machine has another version of the library that cuts chunks.
        ModelChanged: the model's folder holds another model, or is not there.
    """
    check_splitter(header.by or "tokens", header.splitter)
    if not is_rented(plan):
        manifest.check_corpus_reachable(header)
    if not is_rented(plan) or Path(header.model).is_dir():
        check_model(header.model, header.model_fingerprint)
