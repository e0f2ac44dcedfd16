"""What is paid beside machines: storage, egress, requests, addresses, vector stores; and how machines' time is billed.

Imports: pricing.snapshot_files.

billing_rules: billing increment and minimum of clouds, and when a preempted machine is free.
egress: prices of data sent to the internet, to another cloud or to another region.
small_charges: prices of requests to object stores, public IPv4 addresses and NAT gateways.
storage: storage prices of object stores and disks, and the size of vectors.
vector_stores: sizes, rates and prices of vector stores.
"""
