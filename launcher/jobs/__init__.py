"""The job that the user wants, and its parser for job.yaml.

Imports: files, sinks, format, errors, money; tasks, pricing.

job: the frozen values, and their JSON form inside a plan.
keys: every key of a job file; the parser and the JSON Schema are made of it.
job_schema: the JSON Schema of job.yaml.
parse: a job file into a Job, with every mistake and its line.
corpus_fields: the corpus of a job file.
discounts: the discounts of a job file.
quota_fields: the quotas of a job file.
sink_fields: the vector store of a job file.
durations: durations and moments as people write them.
yaml_fields: YAML values with line numbers; numbers, money and durations as people write them.
paths: what `~` and `$NAME` in a path mean.
model_reference: whether `model:` names a folder or a hub id.
"""
