"""The live page of `embedfleet ui`: the report of a run, and the list of runs, served to a browser on this machine.

Imports: `launcher.reports`, `launcher.documents`, `launcher.errors`; the standard library's `http.server`.

server: HTTP on loopback: the token in the address, the Host header, headers of security, a bound on connections.
snapshots: pages that are made again only when somebody asks and the last ones are old.
"""
