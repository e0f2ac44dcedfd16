"""JSON documents that one package makes and another shows, as frozen values, and how a document is written.

Imports: launcher.money.

encode: any document as its JSON object.
status: the document of `status --json`.
bench: the document of `bench --json`.
"""
