"""What earlier evaluations under an output path found, for the plan of the next run with the same model.

`evaluate` leaves its document beside the run. The newest one of the same model says which cheaper vectors keep enough.
"""

import msgspec

from launcher.documents.evaluation import SCHEMA, EvaluateDocument, EvaluatedRepresentation
from launcher.format import plural
from tasks.protocol import documents
from tasks.protocol.keys import evaluation_key
from tasks.protocol.runs import runs_of
from tasks.stores.base import Store, read


def keep_evaluation(store: Store, found: EvaluateDocument) -> None:
    """Leave an evaluation beside its run, in place of an earlier one."""
    store.put(evaluation_key(found.run), msgspec.json.encode(found))


def known_evaluation(store: Store, model: str, fingerprint: str | None) -> EvaluateDocument | None:
    """The newest evaluation of this model under an output path; None: there is none, or it cannot be read."""
    entries = [entry for run in runs_of(store) for entry in store.list(evaluation_key(run))[:1]]
    for entry in sorted(entries, key=lambda one: one.modified, reverse=True):
        try:
            body = read(store, entry.key) or b""
            found = documents.decode(body, EvaluateDocument, "an evaluation", SCHEMA)
        except documents.BadDocument:
            continue
        if not found.representations:
            continue
        if found.model_fingerprint == fingerprint and (fingerprint is not None or found.model == model):
            return found
    return None


def proposal(found: EvaluateDocument) -> str:
    """The cheapest dtype and dimensions that keep enough on the user's queries, as the job file says them."""
    by_name = {one.name: one for one in found.representations}
    stored = found.representations[0]
    best = by_name.get(found.cheapest_stored or "", stored)
    sample = f"{plural(found.queries, 'query')} of run {found.run}"
    enough = f"{found.keep:.1%} of nDCG@10"
    if best is stored or best.reranked:
        return f"evaluated on {sample}: nothing cheaper than {_named(stored)} keeps {enough}"
    saved = 1 - best.stored_bytes / max(1, stored.stored_bytes)
    kept = "" if best.kept is None else f", {best.kept:.1%} kept"
    return (
        f"evaluated on {sample}: {_named(best)} keeps {enough}{kept}, with recall@10 {best.recall_at_10:.3f} beside "
        f"{stored.recall_at_10:.3f} and {saved:.0%} fewer bytes: "
        f"output: {{dtype: {best.dtype}, dimensions: {best.dimensions}}}"
    )


def _named(one: EvaluatedRepresentation) -> str:
    return f"{one.dtype} of {one.dimensions} dimensions"
