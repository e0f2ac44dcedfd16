"""Layouts of weights: in several files, in sub-folders, incomplete, damaged, of another shape, quantized."""
# transformers and safetensors are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.support.model_layouts import folders
from tests.support.model_layouts.base_models import bert, t5
from tests.support.model_layouts.encoders import bert_mean, nomic_native
from tests.support.model_layouts.folders import (
    Weights,
    change_weights,
    edit_json,
    modules,
    pooling,
    sentence_transformer,
    write_json,
)
from tests.support.model_layouts.layout import Layouts

WEIGHT_FILES = Layouts()


@WEIGHT_FILES.add("weights in several files")
def sharded(folder: Path) -> None:
    bert_mean(folder)
    found = load_file(folder / "model.safetensors")
    names = sorted(found)
    listed: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: found[name] for name in part}, folder / file, metadata={"format": "pt"})
        listed |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": listed})


@WEIGHT_FILES.add("one of several files missing")
def shard_missing(folder: Path) -> None:
    sharded(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


@WEIGHT_FILES.add("the second of two layers missing")
def layer_missing(folder: Path) -> None:
    bert_mean(folder)
    change_weights(folder, lambda found: {name: found[name] for name in found if "layer.1." not in name})


@WEIGHT_FILES.add("one bias missing")
def bias_missing(folder: Path) -> None:
    bert_mean(folder)
    change_weights(
        folder, lambda found: {n: w for n, w in found.items() if n != "encoder.layer.1.output.dense.bias"}
    )


@WEIGHT_FILES.add("a weight that is not a number")
def nan_weight(folder: Path) -> None:
    bert_mean(folder)
    change_weights(
        folder, lambda found: found | {"encoder.layer.1.output.dense.bias": torch.full((64,), torch.nan)}
    )


@WEIGHT_FILES.add("the word embeddings missing")
def embeddings_missing(folder: Path) -> None:
    t5(folder)
    sentence_transformer(folder)
    change_weights(
        folder,
        lambda found: {n: w for n, w in found.items() if "shared" not in n and "embed_tokens" not in n},
    )


@WEIGHT_FILES.add("more layers in the file than config.json counts")
def layers_uncounted(folder: Path) -> None:
    bert_mean(folder)
    edit_json(folder / "config.json", num_hidden_layers=1)


@WEIGHT_FILES.add("every name with a prefix (saved from a wrapper)")
def wrong_prefix(folder: Path) -> None:
    bert_mean(folder)
    change_weights(folder, lambda found: {f"0.auto_model.{name}": weight for name, weight in found.items()})


@WEIGHT_FILES.add("names with the usual prefix (`bert.`) and a head")
def usual_prefix(folder: Path) -> None:
    bert_mean(folder)

    def rename(found: Weights) -> Weights:
        head = {"cls.predictions.bias": torch.ones(8), "bert.pooler.dense.bias": torch.ones(64)}
        return {f"bert.{name}": weight for name, weight in found.items()} | head

    change_weights(folder, rename)


@WEIGHT_FILES.add("the type of one architecture, the weights of another (Jina v2 without its code)")
def other_architecture(folder: Path) -> None:
    bert_mean(folder)
    change_weights(
        folder, lambda found: {n.replace("intermediate.dense", "mlp.wo"): w for n, w in found.items()}
    )


@WEIGHT_FILES.add("mixture of experts under a type that has none (nomic-embed-text-v2-moe)", since=5)
def experts(folder: Path) -> None:
    nomic_native(folder)

    def replace(found: Weights) -> Weights:
        kept = {name: weight for name, weight in found.items() if not ("layers.1" in name and "mlp" in name)}
        return kept | {"encoder.layers.1.mlp.experts.mlp.w1": torch.ones(64, 64)}

    change_weights(folder, replace)


@WEIGHT_FILES.add("a matrix of another shape than config.json says")
def other_shape(folder: Path) -> None:
    bert_mean(folder)
    edit_json(folder / "config.json", intermediate_size=96)


@WEIGHT_FILES.add("a vocabulary of 10**12 claimed by config.json")
def huge_vocabulary(folder: Path) -> None:
    bert_mean(folder)
    edit_json(folder / "config.json", vocab_size=10**12)


@WEIGHT_FILES.add("pickle alone (pytorch_model.bin)")
def pickle_only(folder: Path) -> None:
    bert_mean(folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@WEIGHT_FILES.add("a safetensors file that was cut")
def cut_file(folder: Path) -> None:
    bert_mean(folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1_000])


@WEIGHT_FILES.add("a safetensors header that names more bytes than there are")
def lying_header(folder: Path) -> None:
    bert_mean(folder)
    path = folder / "model.safetensors"
    body = path.read_bytes()
    path.write_bytes((10**15).to_bytes(8, "little") + body[8:])


@WEIGHT_FILES.add("a safetensors file that is HTML (a page of an error)")
def html_file(folder: Path) -> None:
    bert_mean(folder)
    (folder / "model.safetensors").write_text("<!doctype html><title>404</title>" * 20, encoding="utf-8")


@WEIGHT_FILES.add("quantized weights (bitsandbytes)")
def quantized(folder: Path) -> None:
    bert_mean(folder)
    edit_json(
        folder / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True}
    )


@WEIGHT_FILES.add("transformer in a folder of its own (`0_Transformer`)")
def sub_folder(folder: Path) -> None:
    bert(folder / "0_Transformer")
    pooling(folder, "mean_tokens")
    modules(folder, "Transformer", "Pooling", paths={0: "0_Transformer"})
    write_json(folder / "0_Transformer/sentence_bert_config.json", folders.LIMIT)


@WEIGHT_FILES.add("the same, and another model in the root")
def sub_folder_and_root(folder: Path) -> None:
    sub_folder(folder)
    bert(folder, num_hidden_layers=1)
