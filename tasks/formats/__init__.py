"""File formats: documents are read from the corpus and vectors are written to Parquet.

Imports: `protocol`, `engines`, `stores`, `errors`. Inside: reread and prefetch stand above read, this above the formats,
and these above what all of them share. Only `parquet` imports `arrow`, and only `webdataset` imports `json`.

read: opens the files of slices and reads their rows, whatever the format.
reread: reads a slice persistently: what passes is asked again, damage is read twice.
prefetch: opens small files before their turn.
json: rows of JSON, JSON Lines and lines of text.
csv: rows of CSV and TSV.
parquet: rows of Parquet.
arrow: rows of Arrow files and streams, and of batches of Arrow columns.
webdataset: rows of WebDataset archives.
documents: the row of a file that is one document: text, HTML, PDF and DOCX.
vectors: writes vectors to Parquet.
rows: the row of a record: a document, or a bad row and why.
fields: finds a value by its name: in a record, inside objects by dots, in the names of folders.
ids: the text of a document's id, in one form whatever its type.
compression: the plain bytes of compressed files.
endings: the format and the compression that the end of a name says.
beginning: reads in parts, and the first bytes of a stream.
marks: what a file is by its first bytes, where its name says another format.
damage: what a damaged place loses, told from a store that fails.
wide_encoding: notices UTF-16 and UTF-32 that are read as UTF-8.
"""
