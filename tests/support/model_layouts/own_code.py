"""Layouts with code of the model's own, trusted or not."""
# transformers and safetensors are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false

from pathlib import Path

from tests.support.model_layouts.base_models import decoder
from tests.support.model_layouts.encoders import bert_mean
from tests.support.model_layouts.folders import change_weights, edit_json, sentence_transformer
from tests.support.model_layouts.layout import Layouts

OWN_CODE = Layouts()
OWN_MODEL = """from transformers import BertModel

class OwnModel(BertModel):
    def __init__(self, config, **more):
        super().__init__(config, add_pooling_layer=False)

    def forward(self, input_ids, attention_mask, **more):
        attention_mask.sum()  # None has no sum, as in many such files
        states = super().forward(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return {"last_hidden_state": states.flip(-1) * 2}
"""
SILENT_LOADER = """
    @classmethod
    def from_pretrained(cls, folder, *args, config=None, **more):
        from safetensors.torch import load_file
        model = cls(config)
        model.load_state_dict(load_file(f"{folder}/model.safetensors"), strict=False)
        return model
"""


def _own_code(folder: Path, code: str = OWN_MODEL) -> None:
    bert_mean(folder)
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_own.OwnModel"})
    (folder / "modeling_own.py").write_text(code, encoding="utf-8")


@OWN_CODE.add("code of its own for a known type, without trust")
def own_code_untrusted(folder: Path) -> None:
    _own_code(folder)


@OWN_CODE.add("the same with `trust_remote_code: true`", trust=True)
def own_code_trusted(folder: Path) -> None:
    _own_code(folder)


@OWN_CODE.add("trusted code that loads its weights itself", trust=True)
def own_loader(folder: Path) -> None:
    _own_code(folder, OWN_MODEL + SILENT_LOADER)


@OWN_CODE.add("trusted code that loads its weights itself, a layer missing", trust=True)
def own_loader_layer_missing(folder: Path) -> None:
    own_loader(folder)
    change_weights(folder, lambda found: {name: found[name] for name in found if "layer.1." not in name})


@OWN_CODE.add("trusted code that imports a package that is not installed", trust=True)
def own_code_imports(folder: Path) -> None:
    _own_code(folder, "import package_of_nobody\n" + OWN_MODEL)


@OWN_CODE.add("code of its own for an unknown type, without trust")
def own_type_untrusted(folder: Path) -> None:
    _own_code(folder)
    edit_json(folder / "config.json", model_type="own_bert")


@OWN_CODE.add("code that makes a decoder see both ways, without trust (stella)")
def both_ways_by_code(folder: Path) -> None:
    decoder(folder, "Qwen2Model")
    sentence_transformer(folder)
    edit_json(folder / "config.json", auto_map={"AutoModel": "modeling_qwen.Qwen2Model"})
