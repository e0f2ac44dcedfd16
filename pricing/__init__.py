"""Prices of machines, storage, egress and hosted APIs, each with its date and source, and GPU specifications.

Imports: nothing of launcher and tasks; within pricing refresh > sources, price_book > validate, merge > offer, gpu.

offer: Quote, a row of a price feed, and Offer, a validated price.
validate: the validation gate: which quotes are plausible, and why the others are rejected.
price_book: a CSV file of offers, read and written; the snapshot that comes with the package.
book_versions: the user's own price books, dated, and which one is current.
refresh: fetch from the sources, validate, merge, write a new book.
merge: new offers over those of the previous book.
staleness: how old a price is, and when it is stale.
sources: one module per price feed: SkyPilot's catalogs, AWS, GCP, Azure.
gpu: GPU specifications and canonical GPU names.
preemption: preemption rates of spot machines.
provisioning: cold-start times, obtainable machines, the jobs controller.
storage: storage prices of object stores and disks, and the size of vectors.
egress: prices of data sent to the internet, to another cloud or to another region.
hosted_apis: prices of hosted embedding APIs, and their validation gate.
"""
