"""The price book: offers that pass the validation gate, merged, written, and compared with the book before.

Imports: pricing.offer, gpu, staleness.

validate: the validation gate: which quotes are plausible, and why the others are rejected.
merge: new offers over those of the previous book.
price_book: a CSV file of offers, read and written; the snapshot that comes with the package.
book_versions: the user's own price books, dated, and which one is current.
book_changes: what changed between two price books, by cloud.
unmoved: spot prices that have not moved for months while their neighbours did.
fixed_share: clouds whose spot prices are a fixed share of on-demand, whatever the type.
"""
