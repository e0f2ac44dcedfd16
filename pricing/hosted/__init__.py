"""Prices of hosted embedding APIs.

Imports: pricing.snapshot_files.

hosted_apis: prices of hosted embedding APIs, sizes of their models, and prices that are known to be missing.
hosted_quotes: quotes of hosted embedding APIs with their sources, and their validation gate.
"""
