"""Which files a corpus path reads, on disk or in a bucket, and which it leaves out.

Imports: `launcher.jobs`, `errors`, `format`, `tasks`.

listing: the files of a path, on disk or in a bucket, with their versions.
folder_walk: finds files on disk, behind links, too.
corpus_file: one input file.
companions: leaves out what describes or repeats the others: documents beside tables, caches.
globs: which names a path reads, and which are hidden.
table_formats: folders that are one table, such as Lance.
left_out: what a path names and is not read, by kind and number.
apart: checks that the output is not among the texts.
"""
