"""What an account may rent and what it pays less.

Imports: pricing.offer, snapshot_files.

access: which clouds and places an account can launch in, and the names of zones.
discounts: what an account pays less: savings plans, committed use, negotiated prices.
vcpu_quota: families of instance types whose quotas AWS counts in vCPUs.
"""
