"""The vectors of a dataset for those who use them: read, searched and exported, each row once.

Imports: `launcher.output`, `errors`; `tasks`. polars, duckdb, lance, faiss and usearch when they are asked for.

find_dataset: finds the run whose dataset is meant under an output path.
read_dataset: reads the rows of a dataset, each once, as batches of Arrow.
query_encoder: the model of a run with its settings, for queries and further texts.
exact_search: the rows of a matrix nearest to a query, by faiss, usearch or numpy.
search: embeds a query as the run embedded its texts, and ranks all vectors exactly.
hit_texts: the texts of what a search found, read again from the corpus.
shard_texts: finds the texts of some documents of one shard.
export: writes a dataset to one file or folder, whole or not at all.
export_formats: Parquet, NumPy, Lance and the layout of Hugging Face datasets.
load: the rows of a dataset for pandas, Polars, DuckDB and Arrow.
"""
