"""Lists of runs and of prices, and two runs side by side.

Imports: launcher.reports.document and summary; launcher.costs, planning, ledger, documents, format; pricing.

run_list: the runs of a ledger; the document of `report --all --json`.
run_comparison: two runs side by side; the document of `compare --json`.
price_list: filtered and sorted offers; the rows of `prices --json`.
"""
