"""Every object key of an output path, in one page.

Pure: names in, keys out. `run`, `slab` and `shard` are the names of `tasks.protocol.shard` and of the ledger; a key is
relative to the output path. `docs/architecture.md` says who writes each object and when.

    data/<attempt>.parquet                                      vectors
    _embedfleet/<run>/plan.json                                 the plan, for other laptops
    _embedfleet/<run>/manifest/slab-<n>.jsonl, base.json, run.json    the shards, earlier runs' shards, the header
    _embedfleet/<run>/manifest/reuse-<slab>.json                files of earlier runs with vectors of unchanged texts
    _embedfleet/<run>/leases/<slab>/<shard>/<generation>
    _embedfleet/<run>/parts/<slab>/<shard>/<rows>-<attempt>.json
    _embedfleet/<run>/receipts/<slab>/<shard>.json, <shard>.<n>.json (of the n-th retry), <shard>.<n>-<generation>.retry
    _embedfleet/<run>/quarantine/<slab>/<attempt>.jsonl         failed rows
    _embedfleet/<run>/workers/<worker>.json                     heartbeats
    _embedfleet/<run>/control.json, control/<machine>.json, probe, dataset.parquet
    _embedfleet/<run>/loads/<load>/<sha256>.json                files that a vector store has
    _embedfleet/<run>/loads/<load>.json                         what served when a load of several loaders began
    _embedfleet/<run>/load.json                                 how far the load into a vector store is
    _embedfleet/<run>/evaluation.json                           what `embedfleet evaluate` found of the run last
    _embedfleet/<run>.repeats/texts/<n>.jsonl                   texts that a corpus has more than once
    _embedfleet/<run>.repeats/vectors/<attempt>.parquet         their vectors; its other objects are those of a run
    _embedfleet/<run>/budget/agreed-<n>.json, spent-<launcher>.json, allowance.json, machine-<name>
    _embedfleet/<run>/pilot/ledger.db.gz                        what the launcher on a machine of its own knows
    _embedfleet/probe/doctor, doctor-new                        what `embedfleet doctor` tests with, then deletes
"""

RUNS_PREFIX = "_embedfleet/"  # of all runs under an output path
VECTORS_PREFIX = "data/"  # of the vectors of all runs under an output path
DOCTOR_FOLDER = "probe"  # beside the runs, and no run: names of runs end with a digest
REPEATS_SUFFIX = ".repeats"  # of a repeats run: names of runs have no dot
DOCTOR_PROBE_KEY = f"{RUNS_PREFIX}{DOCTOR_FOLDER}/doctor"


def run_root(run: str) -> str:
    """The folder of a run, without a slash at its end: it holds everything but the vectors."""
    return f"{RUNS_PREFIX}{run}"


def run_of(key: str) -> str:
    """The run whose folder holds this key."""
    return key.split("/")[1]


def plan_key(run: str) -> str:
    """The plan, so that a launcher on another laptop can take the run over."""
    return f"{run_root(run)}/plan.json"


def pilot_ledger_key(run: str) -> str:
    """The run's part of the ledger of the launcher that drives it away from the laptop: see `launcher.pilot`."""
    return f"{run_root(run)}/pilot/ledger.db.gz"


def probe_key(run: str) -> str:
    """The object with which a launcher tests the store's conditional writes before a run."""
    return f"{run_root(run)}/probe"


def manifest_header_key(run: str) -> str:
    """How to read, embed and write. Its presence means that the manifest is complete."""
    return f"{run_root(run)}/manifest/run.json"


def manifest_slab_key(run: str, slab: int) -> str:
    """The shards of one slab, by its number."""
    return f"{run_root(run)}/manifest/slab-{slab:05d}.jsonl"


def manifest_slabs_prefix(run: str) -> str:
    """The shards of all slabs."""
    return f"{run_root(run)}/manifest/slab-"


def reuse_key(run: str, slab: str) -> str:
    """For the shards of a slab, files of earlier runs with vectors of unchanged texts: see `tasks.protocol.reuse`."""
    return f"{run_root(run)}/manifest/reuse-{slab}.json"


def base_dataset_key(run: str) -> str:
    """By run, the shards of earlier runs that belong to this run's dataset: see `launcher.corpus.incremental`."""
    return f"{run_root(run)}/manifest/base.json"


def dataset_key(run: str) -> str:
    """One row for each file of vectors that counts, written when the run ends."""
    return f"{run_root(run)}/dataset.parquet"


def control_key(run: str) -> str:
    """The launcher's message to every worker of the run: see `tasks.protocol.messages.control`."""
    return f"{run_root(run)}/control.json"


def machine_control_key(run: str, machine: str) -> str:
    """The launcher's message to the workers of one machine, beside that to the whole run."""
    return f"{run_root(run)}/control/{machine}.json"


def budget_prefix(run: str) -> str:
    """What was agreed to be spent, and what each launcher saw of it: see `launcher.fleet.budget`."""
    return f"{run_root(run)}/budget/"


def agreement_key(run: str, number: int) -> str:
    """An agreed amount. They sort by number, and the last one counts."""
    return f"{budget_prefix(run)}agreed-{number:06d}.json"


def spent_key(run: str, launcher: str) -> str:
    """What one launcher knows of the run's machines and their cost."""
    return f"{budget_prefix(run)}spent-{launcher}.json"


def machine_claim_key(run: str, machine: str) -> str:
    """The claim of a machine's name: the launcher that creates it may request the machine, and no other ever will."""
    return f"{machine_claims_prefix(run)}{machine}"


def machine_claims_prefix(run: str) -> str:
    """All names under which machines of the run were requested."""
    return f"{budget_prefix(run)}machine-"


def allowance_key(run: str) -> str:
    """Until when machines may work without a launcher: see `tasks.protocol.messages.allowance`."""
    return f"{budget_prefix(run)}allowance.json"


def leases_prefix(run: str, slab: str) -> str:
    """All leases of a slab."""
    return f"{run_root(run)}/leases/{slab}/"


def lease_key(run: str, slab: str, shard: str, generation: int) -> str:
    """One lease; the generations of a shard sort by number."""
    return f"{leases_prefix(run, slab)}{shard}/{generation:06d}"


def receipts_prefix(run: str, slab: str | None = None) -> str:
    """All receipts of a slab; None: of the run."""
    return f"{run_root(run)}/receipts/" + ("" if slab is None else f"{slab}/")


def receipt_key(run: str, slab: str, shard: str, retry: int = 0) -> str:
    """The receipt of a shard, or that of a later retry of it: see `tasks.protocol.retry`."""
    return f"{receipts_prefix(run, slab)}{shard}{f'.{retry}' if retry else ''}.json"


def retry_key(run: str, slab: str, shard: str, retry: int, generation: int) -> str:
    """The mark that a shard is to be tried again; `generation` is that of the lease before."""
    return f"{receipts_prefix(run, slab)}{shard}.{retry}-{generation:06d}.retry"


def parts_prefix(run: str, slab: str | None = None, shard: str | None = None, retry: int = 0) -> str:
    """All parts of a shard, or of a later retry of it; without `shard` of a slab, without both of the run."""
    named = (name for name in (slab, shard) if name is not None)
    prefix = f"{run_root(run)}/parts/" + "".join(f"{name}/" for name in named)
    return f"{prefix.removesuffix('/')}.{retry}/" if retry else prefix


def part_key(run: str, slab: str, shard: str, rows: int, attempt: str, retry: int = 0) -> str:
    """The first `rows` rows of a shard; the part that reaches furthest sorts last."""
    return f"{parts_prefix(run, slab, shard, retry)}{rows:012d}-{attempt}.json"


def quarantine_prefix(run: str) -> str:
    """All failed rows of the run."""
    return f"{run_root(run)}/quarantine/"


def quarantine_key(run: str, slab: str, attempt: str) -> str:
    """The failed rows of one attempt at a shard."""
    return f"{quarantine_prefix(run)}{slab}/{attempt}.jsonl"


def vectors_key(attempt: str) -> str:
    """The vectors of one attempt at a shard."""
    return f"{VECTORS_PREFIX}{attempt}.parquet"


def repeats_run(run: str) -> str:
    """The name of the run that embeds the repeated texts of this run first: see `tasks.protocol.repeats`."""
    return f"{run}{REPEATS_SUFFIX}"


def repeats_texts_prefix(run: str) -> str:
    """The repeated texts of this run."""
    return f"{run_root(repeats_run(run))}/texts/"


def repeats_texts_key(run: str, number: int) -> str:
    """The texts of one shard of a repeats run, by its number."""
    return f"{repeats_texts_prefix(run)}{number:06d}.jsonl"


def repeats_vectors_prefix(run: str) -> str:
    """The vectors of the repeated texts of this run."""
    return f"{run_root(repeats_run(run))}/vectors/"


def repeats_vectors_key(run: str, attempt: str) -> str:
    """The vectors of one attempt at a shard of a repeats run; `run` is the run whose texts they are."""
    return f"{repeats_vectors_prefix(run)}{attempt}.parquet"


def heartbeats_prefix(run: str, worker: str = "") -> str:
    """All heartbeats of the run, or those of workers whose names begin with `worker`."""
    return f"{run_root(run)}/workers/{worker}"


def heartbeat_key(run: str, worker: str) -> str:
    """The last heartbeat of a worker."""
    return f"{heartbeats_prefix(run, worker)}.json"


def worker_of(key: str) -> str:
    """The worker whose heartbeat is under this key."""
    return key.rpartition("/")[2].removesuffix(".json")


def load_receipts_prefix(run: str, load: str) -> str:
    """The receipts of one load: see `launcher.loading.progress.receipts`."""
    return f"{run_root(run)}/loads/{load}/"


def load_receipt_key(run: str, load: str, sha256: str) -> str:
    """The proof that a vector store has all rows of a file."""
    return f"{load_receipts_prefix(run, load)}{sha256}.json"


def load_beginning_key(run: str, load: str) -> str:
    """What served when the first of several loaders began: see `launcher.loading.progress.beginning`."""
    return f"{run_root(run)}/loads/{load}.json"


def load_status_key(run: str) -> str:
    """How far the load of a run into a vector store is: see `launcher.loading.progress.load_status`."""
    return f"{run_root(run)}/load.json"


def evaluation_key(run: str) -> str:
    """What `embedfleet evaluate` found of a run last: see `launcher.evaluation.known`."""
    return f"{run_root(run)}/evaluation.json"
