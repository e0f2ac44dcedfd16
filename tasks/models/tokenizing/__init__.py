"""Texts into token ids and into the pieces that a model reads.

Imports: tasks.models.describe, description, files, text_settings; tasks.errors.

tokenizer: texts into token ids as the model's tokenizer does, without special tokens.
normalizer_growth: how much longer a normalizer may make a text.
word_cache: ids of texts by a table of words, for tokenizers like BERT's.
vocabulary: checks that a model has a vector for every token of its tokenizer.
slow_tokenizer: converts a tokenizer without tokenizer.json.
reference_tokenizer: compares our tokens of ten texts with those of sentence-transformers.
pieces: token ids into the pieces that a model reads, truncated or chunked.
chunk_by: where the chunks of a text may end.
semantic_chunks: cuts texts at ends of paragraphs and sentences, or along Markdown.
"""
