"""Serve queries of a run: an OpenAI-compatible HTTP server, and the check of any such server against the run.

Imports: `launcher.vectors`, `launcher.output`, `launcher.planning` and below; `tasks`. starlette, uvicorn and redis in
the files that are named, when the server starts (the extras `serve` and `redis`).

requests: the bodies of requests and errors, as OpenAI has them.
served_run: a run with its loaded model: prompts, dimensions, pieces, vectors.
batching: micro-batches of what several clients ask at once, with limits on the queue and on time.
search_index: exact search over the vectors of a run, in memory where they fit.
routing: which run answers a request.
serve_metrics: what the server counts, as metrics of Prometheus.
service: requests to answers, without HTTP.
app: the routes; the only file that imports starlette.
server: addresses, keys and the end.
connection_limits: how long requests may take to come and answers to be read, how many connections there may be.
caches: vectors and results that are kept, in memory and in Redis.
checks: whether a server gives the vectors of a run, and how fast.
rented: a rented service: machines, dollars and its YAML.
"""
