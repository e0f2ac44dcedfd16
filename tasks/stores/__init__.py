"""What keeps objects: a dict, a folder, S3 and GCS, each behind the five calls of `tasks.stores.base`."""
