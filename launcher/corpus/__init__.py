"""The input files of a job: which they are, what they hold, and how they are cut into shards.

Imports: launcher.jobs, launcher.errors, launcher.format, tasks.

inspect: lists and samples the corpus of a job, for the planner.
inspected: what a plan knows of a corpus.
text_units: asks what a document of a text file is.
chunking: how a job cuts texts into chunks.
sharding: cuts the files into shards.
repeat_counts: counts the texts of a corpus exactly, and chooses those that are embedded once for all workers.
repeated_texts: writes these texts, and the manifest of the run that embeds them first.
repeat_shares: how much of a corpus repeats, as a plan holds it.
repeats: how much of a corpus is texts that occur before, anywhere in it.
incremental: selects the files that no earlier run has embedded.
files: which files a path reads, and what it leaves out.
samples: blocks of the files, and what they say of the whole.
"""
