"""The job that the user wants, and its parser for job.yaml.

Imports: files, format, errors, money; tasks.

job: the frozen values, and their JSON form inside a plan.
parse: a job file into a Job, with every mistake and its line.
yaml_fields: YAML values with line numbers; numbers, money and durations as people write them.
paths: what `~` and `$NAME` in a path mean.
model_reference: whether `model:` names a folder or a hub id.
"""
