"""Prices of machines, storage, egress and hosted APIs, each with its date and source, and GPU specifications.

Imports: nothing of launcher and tasks; within pricing refresh > sources, price_book > validate, merge > offer, gpu.

offer: Quote, a row of a price feed, and Offer, a validated price.
validate: the validation gate: which quotes are plausible, and why the others are rejected.
price_book: a CSV file of offers, read and written; the snapshot that comes with the package.
book_versions: the user's own price books, dated, and which one is current.
refresh: fetch from the sources, validate, merge, write a new book.
book_changes: what changed between two price books, by cloud.
unmoved: spot prices that have not moved for months while their neighbours did.
merge: new offers over those of the previous book.
clouds: the clouds whose prices are read.
access: which clouds and places an account can launch in, and the names of zones.
discounts: what an account pays less: savings plans, committed use, negotiated prices.
expected_price: what an old quote of a market is likely to be now.
staleness: how old a price is, and when it is stale.
sources: one module per price feed: SkyPilot's catalogs, AWS, GCP, Azure.
snapshot_files: the CSV files of the snapshot, read.
gpu: GPU specifications and canonical GPU names.
preemption: preemption rates of spot machines.
provisioning: cold-start times, the jobs controller.
capacity: how many GPUs a region is known to give, with the source.
billing_rules: billing increment and minimum of clouds, and when a preempted machine is free.
small_charges: prices of requests to object stores, public IPv4 addresses and NAT gateways.
vcpu_quota: families of instance types whose quotas AWS counts in vCPUs.
storage: storage prices of object stores and disks, and the size of vectors.
vector_stores: sizes, rates and prices of vector stores.
egress: prices of data sent to the internet, to another cloud or to another region.
hosted_apis: prices of hosted embedding APIs, sizes of their models, and prices that are known to be missing.
hosted_quotes: quotes of hosted embedding APIs with their sources, and their validation gate.
"""
