"""Serve queries of a run: an OpenAI-compatible HTTP server, and the check of any such server against the run.

Imports: `launcher.vectors`, `launcher.output`, `launcher.planning` and below; `tasks`. starlette, uvicorn and redis in
the files that are named, when the server starts (the extras `serve` and `redis`).

requests: the bodies of requests and errors, as OpenAI has them.
served_run: a run with its loaded model: prompts, dimensions, pieces, vectors.
batching: micro-batches of what several clients ask at once, with limits on the queue and on time.
vector_cache: the exact cache of vectors, in memory and in Redis.
redis_cache: the cache in Redis or Valkey; the only file that imports its client.
search_index: exact search over the vectors of a run, in memory where they fit.
semantic_cache: results of similar queries, off by default, and how often their first hit is wrong.
routing: which run answers a request.
serve_metrics: what the server counts, as metrics of Prometheus.
service: requests to answers, without HTTP.
client: asks any OpenAI-compatible server.
sampled_texts: rows of a run with the texts that they were made of.
check: whether a server gives the vectors of a run.
mistakes: the known ways to embed a text wrongly, to name the one that a server makes.
service_plan: machines and dollars of a rented service.
service_yaml: its YAML for SkyServe and vLLM.
latency: percentiles of a server's answers at several numbers of clients.
app: the routes; the only file that imports starlette.
server: addresses, keys and the end.
connection_limits: how long requests may take to come and answers to be read, how many connections there may be.
"""
