"""Small tokenizers of the kinds that models have: WordPiece, byte-level BPE and Unigram, trained on a few sentences.

Each is trained once in a process and written into as many folders as wanted.
"""
# tokenizers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = [
    "A plan names the price of each machine, the hours that it takes, and the date of the price.",
    "Shards are leased, not owned: a worker that dies loses its lease, and another one takes the shard.",
    "Ein Satz mit Umlauten: größer, schöner, weiß; naïve café, été, señor, coração.",
    "東京は日本の首都です。人口は約千四百万人。Ελληνικά, русский, العربية, עברית, हिन्दी",
    "query: passage: title: none | text: Represent this sentence for searching relevant passages:",
    "1234567890 def f(x): return {'a': [x ** 2 for _ in range(10)]} # https://example.org/?q=1",
]
VOCABULARY = 700
# How Qwen2's tokenizer splits a text before the merges; transformers 5 takes this, whatever tokenizer.json says.
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def wordpiece(folder: Path, *, lower: bool = True, specials: str = "bert", **settings: Any) -> int:
    """A tokenizer of BERT, or with the special tokens of MPNet; the size of its vocabulary."""
    names = BERT if specials == "bert" else MPNET
    tokenizer = Tokenizer.from_str(_wordpiece(lower, specials))
    said: dict[str, Any] = {
        "tokenizer_class": "BertTokenizer" if specials == "bert" else "MPNetTokenizer",
        "do_lower_case": lower,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "model_max_length": 512,
        **names,
    }
    return _write(folder, tokenizer, said | settings)


def byte_bpe(folder: Path, template: str, specials: list[str], kind: str, **settings: Any) -> int:
    """Bytes and their merges, as GPT-2, RoBERTa and most decoders have them; the size of the vocabulary.

    `template` is how a text stands between special tokens: `<s> $A </s>`.
    """
    tokenizer = Tokenizer.from_str(_byte_bpe(template, tuple(specials), qwen=kind.startswith("Qwen")))
    return _write(folder, tokenizer, {"tokenizer_class": kind, "model_max_length": 512} | settings)


def unigram(folder: Path, template: str, specials: list[str], kind: str, **settings: Any) -> int:
    """Pieces by their probability, as SentencePiece's for XLM-R and T5 are; the size of the vocabulary."""
    tokenizer = Tokenizer.from_str(_unigram(template, tuple(specials)))
    return _write(folder, tokenizer, {"tokenizer_class": kind, "model_max_length": 512} | settings)


BERT = {
    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
}  # fmt: skip
MPNET = {
    "unk_token": "[UNK]", "sep_token": "</s>", "pad_token": "<pad>", "cls_token": "<s>", "mask_token": "<mask>",
    "bos_token": "<s>", "eos_token": "</s>",
}  # fmt: skip


@cache
def _wordpiece(lower: bool, specials: str) -> str:
    names = BERT if specials == "bert" else MPNET
    first = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if specials == "bert" else [
        "<s>", "<pad>", "</s>", "[UNK]", "<mask>",
    ]  # fmt: skip
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        SENTENCES, trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=first, show_progress=False)
    )
    start, end = names["cls_token"], names["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(one, _id(tokenizer, one)) for one in (start, end)]
    )
    return str(tokenizer.to_str())


@cache
def _byte_bpe(template: str, specials: tuple[str, ...], *, qwen: bool) -> str:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(QWEN), "isolated")
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not qwen)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, whole]) if qwen else whole
    if qwen:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if template == "$A":
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    else:
        tokenizer.post_processor = _template(tokenizer, template)
    return str(tokenizer.to_str())


@cache
def _unigram(template: str, specials: tuple[str, ...]) -> str:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY, special_tokens=list(specials), unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = _template(tokenizer, template)
    return str(tokenizer.to_str())


def _template(tokenizer: Tokenizer, template: str) -> Any:
    names = [word for word in template.split() if word != "$A"]
    return processors.TemplateProcessing(
        single=template, special_tokens=[(name, _id(tokenizer, name)) for name in names]
    )


def _id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    assert number is not None, token
    return int(number)


def _write(folder: Path, tokenizer: Tokenizer, settings: dict[str, Any]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return int(tokenizer.get_vocab_size())
