"""The border of a model's folder: what its files say about it."""

import json
import shutil
from collections.abc import Sequence

from tasks.models.describe import describe
from tests.fuzz.border import Border, Place


def model_border(place: Place) -> Border:
    files = {
        "config.json": {
            "model_type": "bert",
            "architectures": ["BertModel"],
            "hidden_size": 64,
            "max_position_embeddings": 512,
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": 64, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "q: "}, "default_prompt_name": None},
        "tokenizer_config.json": {"model_max_length": 512, "tokenizer_class": "BertTokenizer"},
        "adapter_config.json": {},
    }
    names = list(files)
    seeds: Sequence[bytes] = [name.encode() + b"\n" + json.dumps(files[name]).encode() for name in names]

    def read(body: bytes) -> object:
        """One of the model's files, by the first line, is what the rest says; the others are whole."""
        head, _, rest = body.partition(b"\n")
        name = head.decode(errors="replace")
        folder = place.root / "model"
        shutil.rmtree(folder, ignore_errors=True)
        for other, content in files.items():
            if other != "adapter_config.json":
                place.file(f"model/{other}", json.dumps(content).encode())
        if name in names:
            place.file(f"model/{name}", rest)
        return describe(str(folder))

    return Border("model folder", tuple(seeds), read)
