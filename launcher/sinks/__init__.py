"""Where vectors are loaded to: the address of a vector store, and the index that it builds.

Imports: `launcher.errors`. Pure: `launcher.jobs` reads them in a job file, `launcher.loading` loads.

targets: the address of a vector store, parsed.
index: the index that a store builds, and its options.
"""
