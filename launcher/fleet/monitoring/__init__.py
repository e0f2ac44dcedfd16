"""What machines and workers report while a run goes on, written into the ledger and summarised for users.

Imports: `launcher.fleet.backends`, `policy` and below, `launcher.costs`, `throughput`, `ledger` and below, `tasks`,
`pricing`; never the controller.

repeats_progress: how far the run is that embeds first what the corpus repeats.
store_observer: reads receipts, heartbeats and lost leases from the store.
machine_tracker: which machines live and which have ended.
worker_tracker: the workers of rented machines.
heartbeats: the last heartbeat of every worker.
bottleneck: the slowest stage of a fleet, and what to change; pure.
cost_status: money and places of a run that goes on.
spot_prices: what spot machines cost while they lived.
quotes: prices of places where a steered run may rent.
webhook: which messages are due to Slack and similar services, and when each is tried.
webhook_post: checks a webhook's address, which is a secret, and sends one message.
machine_price: what a machine costs an hour where it came up.
"""
