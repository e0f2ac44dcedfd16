"""Bills of clouds, and the metered cost beside them; pure.

Imports: `launcher.costs.usage`, `money`.

cloud_bill: parse the rows of a cloud's bill.
reconcile: compare the metered cost with bills.
"""
