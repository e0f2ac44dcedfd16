"""Prices of machines, storage, egress and hosted APIs, each with its date and source, and GPU specifications.

Imports: nothing of launcher and tasks; within pricing refresh > sources, book > offer, gpu.

offer: Quote, a row of a price feed, and Offer, a validated price.
refresh: fetch from the sources, validate, merge, write a new book.
clouds: the clouds whose prices are read.
expected_price: what an old quote of a market is likely to be now.
staleness: how old a price is, and when it is stale.
sources: one module per price feed: SkyPilot's catalogs, AWS, GCP, Azure.
snapshot_files: the CSV files of the snapshot, read.
gpu: GPU specifications and canonical GPU names.
preemption: preemption rates of spot machines.
provisioning: cold-start times, the jobs controller.
capacity: how many GPUs a region is known to give, with the source.
book: the price book: offers that pass the validation gate, merged, written, and compared with the book before.
charges: what is paid beside machines, and how the time of machines is billed.
hosted: prices of hosted embedding APIs.
account: what an account may rent and what it pays less.
"""
