"""Layouts of adapters (peft): LoRA on a base that is beside it, elsewhere, gone or another."""
# transformers and safetensors are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.support.model_layouts import tokenizers
from tests.support.model_layouts.base_models import bert
from tests.support.model_layouts.encoders import bert_mean
from tests.support.model_layouts.folders import Weights, edit_json, sentence_transformer, write_json
from tests.support.model_layouts.layout import Layouts

ADAPTERS = Layouts()


def _adapter(folder: Path, base: str, **settings: Any) -> None:
    said = {"peft_type": "LORA", "task_type": "FEATURE_EXTRACTION", "base_model_name_or_path": base, "r": 4}
    said |= {"lora_alpha": 16, "target_modules": ["query", "value"], "inference_mode": True}
    write_json(folder / "adapter_config.json", said | settings)
    made = torch.Generator().manual_seed(7)
    weights: Weights = {}
    for number in range(2):
        for part in ("query", "value"):
            name = f"base_model.model.encoder.layer.{number}.attention.self.{part}"
            weights[f"{name}.lora_A.weight"] = torch.randn(4, 64, generator=made)
            weights[f"{name}.lora_B.weight"] = torch.randn(64, 4, generator=made)
    save_file(weights, folder / "adapter_model.safetensors")


@ADAPTERS.add("LoRA adapter on a base in another folder")
def adapter(folder: Path) -> None:
    bert(folder / "base")
    tokenizers.wordpiece(folder)
    sentence_transformer(folder)
    _adapter(folder, str(folder / "base"))


@ADAPTERS.add("LoRA adapter that was trained for a classifier, with weights by rank (rsLoRA)")
def adapter_of_classifier(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", task_type="SEQ_CLS", use_rslora=True)


@ADAPTERS.add("LoRA adapter beside its base in one folder")
def adapter_beside_base(folder: Path) -> None:
    bert_mean(folder)
    _adapter(folder, str(folder))


@ADAPTERS.add("adapter whose base is not there")
def adapter_no_base(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", base_model_name_or_path=str(folder / "gone"))


@ADAPTERS.add("adapter on a base of another shape")
def adapter_wrong_base(folder: Path) -> None:
    adapter(folder)
    bert(folder / "base", hidden_size=32, num_attention_heads=1)


@ADAPTERS.add("adapter for layers that the base does not have")
def adapter_foreign_layers(folder: Path) -> None:
    adapter(folder)
    bert(folder / "base", num_hidden_layers=1)


@ADAPTERS.add("weights, and beside them an adapter on another model")
def adapter_other_base(folder: Path) -> None:
    bert_mean(folder)
    _adapter(folder, "somebody/else")


@ADAPTERS.add("adapter as pickle alone (adapter_model.bin)")
def adapter_pickle(folder: Path) -> None:
    adapter(folder)
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


@ADAPTERS.add("adapter on an adapter")
def adapter_on_adapter(folder: Path) -> None:
    adapter(folder / "first")
    tokenizers.wordpiece(folder)
    sentence_transformer(folder)
    _adapter(folder, str(folder / "first"))


@ADAPTERS.add("adapter of learnt prompts, which are no weights")
def adapter_prompts(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", peft_type="PROMPT_TUNING", num_virtual_tokens=4)


@ADAPTERS.add("DoRA adapter: transformers leaves out its magnitudes")
def adapter_dora(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", use_dora=True)
    weights = load_file(folder / "adapter_model.safetensors")
    for name in [name for name in weights if name.endswith(".lora_B.weight")]:
        weights[name.replace("lora_B.weight", "lora_magnitude_vector")] = torch.full((64,), 3.0)
    save_file(weights, folder / "adapter_model.safetensors")


@ADAPTERS.add("adapter whose start was drawn by lot from the base (`pissa_niter_16`)")
def adapter_by_lot(folder: Path) -> None:
    adapter(folder)
    edit_json(folder / "adapter_config.json", init_lora_weights="pissa_niter_16")
