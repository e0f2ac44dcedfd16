"""The stages of a worker's cold start, from the boot of its machine to the end of its first batch, in this order.

Heartbeats and receipts have their seconds by name. A stage that a worker had no need of, or cannot know, is left out:
never 0. Pure: names alone.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from tasks.protocol.bounds import Seconds

StartStage = Literal[
    "boot",  # from the boot of the machine's kernel until its setup begins
    "setup",  # the script that installs the worker's environment
    "process",  # the worker's interpreter, its libraries, and the first look at the run
    "check",  # of a model's folder against the fingerprint of the plan
    "download",  # of a pinned model's files from the hub, or their finding in its cache
    "load",  # the engine's library and the weights, until they are where they compute
    "compile",  # of an engine that compiles the layers of a model before its first call
    "warm_up",  # first calls, which compile and allocate
    "first_batch",  # from then to the end of the first call with texts: a claim, reading, tokenising, embedding
]
START_STAGES: tuple[StartStage, ...] = get_args(StartStage)
BEFORE_WORKER: tuple[StartStage, ...] = ("boot", "setup")  # every rented machine has these, known or not
StartSeconds = Mapping[str, Seconds]  # by stage; names that a later version adds are kept
