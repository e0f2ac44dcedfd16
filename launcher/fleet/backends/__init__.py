"""Where machines come from: one interface, and an implementation for this machine and for SkyPilot.

Imports: `launcher.fleet.scheduling.states`, `launcher.ledger` and below, `tasks`. `sky`, boto3 and
Google's client are imported on use.

base: the interface of every backend, and what it reports of a machine.
local: workers as processes of this machine.
skypilot: rented machines, one managed job each.
skypilot_client: calls to SkyPilot's library.
skypilot_status: what a managed job's status means for its machine.
skypilot_errors: SkyPilot's errors as problems with a hint.
provider_api: machines with our label as AWS and GCP list them.
"""
