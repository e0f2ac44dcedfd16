"""The code that runs on rented machines: this package alone is copied there.

Imports: the standard library, and what `skypilot_task.COMMON` installs; never `launcher` or `pricing`.

clock: the current time.
errors: `Problem`, the base of all errors for users.
disk_errors: why a file cannot be written, in words.
printable: foreign text with its control characters escaped, for terminals and logs.
limited_http_server: an HTTP server that answers a limited number of connections at once.
stores: the object store interface and its implementations.
protocol: what launcher and workers tell each other through the store.
engines: models that turn pieces of token ids into vectors.
models: what the files of a model say of it, and its tokenizer.
formats: reading documents and writing vectors.
worker: one process that claims shards and embeds them.
supervisor: starts the workers of a machine and restarts those that crash.
metrics: metrics in the text of Prometheus, and a server of them.
probe: measures how fast an engine is on this machine.
skypilot_task: the SkyPilot task that rents a machine; no worker imports it.
"""
