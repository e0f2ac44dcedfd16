"""File formats: documents are read from the corpus and vectors are written to Parquet.

Imports: `protocol`, `engines`, `stores`, `errors`.

read: opens the files of slices and reads their rows, whatever the format.
rows: the row of a record: a document, or a bad row and why.
compression: the plain bytes of compressed files.
damage: what a damaged place loses, told from a store that fails.
endings: the format and the compression that the end of a name says.
beginning: reads in parts, and the first bytes of a stream.
fields: finds a value by its name: in a record, inside objects by dots, in the names of folders.
ids: the text of a document's id, in one form whatever its type.
lines: rows of JSON Lines and of text.
json_lines: the row of a record that is written as JSON.
json_values: rows of JSON files that are arrays, or values one after the other.
document_rows: the row of a file that is one document.
webdataset_rows: rows of WebDataset archives.
tar_members: the files in a tar, in order.
csv_rows: rows of CSV and TSV.
wide_encoding: notices UTF-16 and UTF-32 that are read as UTF-8.
tables: splits CSV and TSV into records, strictly.
parquet_rows: rows of a slice of a Parquet file.
parquet_footer: row groups and columns of a Parquet footer, their rows and sizes.
parquet_limits: how many rows of Parquet are decoded at once.
parquet_reader: rows of a Parquet file, forward, kept open between slices.
arrow_rows: rows of Arrow files and streams.
arrow_messages: checks the sizes of the parts of Arrow files before they are held.
flatbuffers: reads the headers of Arrow without trust.
arrow_batch: rows of a batch of Arrow columns.
reread: reads a slice persistently: what passes is asked again, damage is read twice.
prefetch: opens small files before their turn.
vector_file: writes vectors in row groups.
quantize: vectors in fewer bits, and back.
"""
