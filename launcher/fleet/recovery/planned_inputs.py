"""Whether the corpus and the model of a run are still where its plan saw them, before anything of the run is changed."""

from pathlib import Path

from launcher.fleet.provisioning.provisioner import is_rented
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.formats.documents.readers import installed_versions
from tasks.models.fingerprint import check_model
from tasks.models.tokenizing.semantic_chunks import check_splitter
from tasks.protocol import manifest
from tasks.protocol.manifest import Header


def other_readers(plan: SavedPlan, header: Header) -> str | None:
    """What to say where this machine reads documents by other versions than the run so far; None: by the same."""
    if is_rented(plan):
        return None
    now = installed_versions(header.readers)
    changed = [
        f"{name} {was} so far, {now.get(name, '?')} now"
        for name, was in header.readers.items()
        if now.get(name) != was
    ]
    if not changed:
        return None
    return f"documents are read by another version, which may give other texts: {', '.join(changed)}"


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
