"""Metrics in the text format of Prometheus, and the small HTTP server that a scraper reads them from.

Imports: `errors`, `limited_http_server`; the standard library. No client library: rented machines install nothing more
for a page of text, and `promtool` checks that page in the tests.

exposition: metrics and histograms, and their text.
server: answers GET /metrics.
"""
