"""Layouts of poolings, and of the layers after the pooling: Dense, LayerNorm, fewer dimensions."""
# transformers and safetensors are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.support.model_layouts import folders
from tests.support.model_layouts.base_models import bert
from tests.support.model_layouts.folders import (
    change_weights,
    dense,
    edit_json,
    modules,
    sentence_transformer,
    write_json,
)
from tests.support.model_layouts.layout import Layouts

POOLING_LAYERS = Layouts()


def _pooled(name: str, what: str, *switches: str, **more: Any) -> None:
    def build(folder: Path) -> None:
        bert(folder)
        sentence_transformer(folder, *switches, **more)

    build.__name__ = name
    POOLING_LAYERS.add(what)(build)


_pooled("pooling_max", "pooling: maximum", "max_tokens")
_pooled("pooling_sqrt", "pooling: sum over the root of the length", "mean_sqrt_len_tokens")
_pooled("pooling_weighted_mean", "pooling: weighted mean", "weightedmean_tokens")
_pooled("pooling_last", "pooling: last token of an encoder", "lasttoken")
_pooled("pooling_cls_and_mean", "pooling: first token and mean in one vector", "cls_token", "mean_tokens")
_pooled("pooling_weighted_and_cls", "pooling: weighted mean, first token, root", "weightedmean_tokens", "cls_token",
        "mean_sqrt_len_tokens")  # fmt: skip


@POOLING_LAYERS.add(
    "pooling as sentence-transformers 5 writes it, in another order: `pooling_mode: [mean, cls]`"
)
def pooling_listed(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder)
    write_json(folder / "1_Pooling/config.json", {"embedding_dimension": 64, "pooling_mode": ["mean", "cls"]})


def _without_prompt(mode: str) -> None:
    def build(folder: Path) -> None:
        bert(folder)
        sentence_transformer(folder, mode, include_prompt=False)
        prompts = {"document": "title: none | text: "}
        folders.config_sentence_transformers(folder, prompts=prompts, default_prompt_name="document")

    build.__name__ = f"prompt_left_out_{mode.partition('_')[0]}"
    POOLING_LAYERS.add(f"the prompt's tokens left out of the pooling (INSTRUCTOR), {mode}")(build)


for _mode in ("mean_tokens", "cls_token", "max_tokens", "weightedmean_tokens"):
    _without_prompt(_mode)


@POOLING_LAYERS.add("Dense with Tanh (LaBSE, distiluse)")
def dense_tanh(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, "cls_token", after=("Dense", "Normalize"))
    dense(folder, 2, 64, 64, activation="activation.Tanh")


@POOLING_LAYERS.add("Dense without bias, no Normalize (stella)")
def dense_bare(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("Dense",))
    dense(folder, 2, 64, 32, bias=False)


@POOLING_LAYERS.add("Normalize between two Dense")
def normalize_between(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("Dense", "Normalize", "Dense"))
    dense(folder, 2, 64, 48, activation="activation.GELU")
    dense(folder, 4, 48, 24)


@POOLING_LAYERS.add("LayerNorm after the pooling")
def layer_norm(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("LayerNorm", "Normalize"))
    write_json(folder / "2_LayerNorm/config.json", {"dimension": 64})
    made = torch.Generator().manual_seed(5)
    weights = {"norm.weight": torch.rand(64, generator=made), "norm.bias": torch.rand(64, generator=made)}
    save_file(weights, folder / "2_LayerNorm/model.safetensors")


@POOLING_LAYERS.add("Dropout after the pooling: nothing happens")
def dropout(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("Dropout", "Normalize"))
    write_json(folder / "2_Dropout/config.json", {"dropout": 0.5})


@POOLING_LAYERS.add("Dense with an activation from the model's own code")
def dense_own_activation(folder: Path) -> None:
    dense_tanh(folder)
    edit_json(folder / "2_Dense/config.json", activation_function="my_pkg.activations.Twice")


@POOLING_LAYERS.add("Dense with an activation that has weights (PReLU)")
def dense_prelu(folder: Path) -> None:
    dense_tanh(folder)
    edit_json(folder / "2_Dense/config.json", activation_function="torch.nn.modules.activation.PReLU")


@POOLING_LAYERS.add("Dense whose weights are another matrix than its config.json says")
def dense_other_shape(folder: Path) -> None:
    dense_tanh(folder)
    change_weights(folder / "2_Dense", lambda found: found | {"linear.weight": torch.ones(32, 64)})


@POOLING_LAYERS.add("Dense that takes more numbers than the pooling gives")
def dense_wrong_width(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, after=("Dense",))
    dense(folder, 2, 128, 32)


@POOLING_LAYERS.add("Dense with weights as pickle alone")
def dense_pickle(folder: Path) -> None:
    dense_tanh(folder)
    path = folder / "2_Dense"
    torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()


@POOLING_LAYERS.add("Dense of each token (ColBERT in sentence-transformers 5)")
def dense_of_tokens(folder: Path) -> None:
    dense_tanh(folder)
    edit_json(
        folder / "2_Dense/config.json",
        module_input_name="token_embeddings",
        module_output_name="token_embeddings",
    )


@POOLING_LAYERS.add("Dense without weights")
def dense_no_weights(folder: Path) -> None:
    dense_tanh(folder)
    (folder / "2_Dense/model.safetensors").unlink()


@POOLING_LAYERS.add("fewer dimensions saved in the folder (`truncate_dim`)")
def truncate_dim(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder)
    folders.config_sentence_transformers(folder, truncate_dim=24)


@POOLING_LAYERS.add("`truncate_dim: 0`, which is no number of dimensions")
def truncate_zero(folder: Path) -> None:
    truncate_dim(folder)
    folders.config_sentence_transformers(folder, truncate_dim=0)


@POOLING_LAYERS.add("modules.json without a pooling's settings")
def pooling_absent(folder: Path) -> None:
    bert(folder)
    modules(folder, "Transformer", "Pooling")
