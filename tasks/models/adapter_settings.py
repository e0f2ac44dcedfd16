"""Which adapters are merged into their base, by the settings of adapter_config.json.

sentence-transformers loads an adapter through transformers, which places peft's layers and reads the weights by rules of
its own. A setting is obeyed here where the vectors of an adapter with it were compared and are the same; the others are
refused by name, because each of them can give other vectors without a word. Measured with transformers 5.24 and peft
0.21, in `tests/tasks/engines/transformer/test_adapter.py`.
"""

from collections.abc import Mapping
from typing import Any

from tasks.models.description import Finding

# Kinds that become part of the weights. Learnt prompts do not: they are tokens before the text.
MERGED = frozenset(("LORA", "ADALORA", "IA3", "LOHA", "LOKR", "OFT", "BOFT", "HRA", "RANDLORA"))
NOT_COMPARED = frozenset(("VERA",))  # kinds that can be merged, and on which sentence-transformers fails
INIT = "init_lora_weights"
# What the weights are before training. Of these some change the base when an adapter is loaded, all in the same way
# each time: pissa and olora take a part of each matrix away.
COMPARED_INITS = (True, False, None, "gaussian", "orthogonal", "eva", "lora_ga", "olora", "pissa")
COMPARED = frozenset((
    "alpha", "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "ensure_weight_tying",
    "exclude_modules", "fan_in_fan_out",
    "inference_mode", "layers_pattern", "layers_to_transform", "modules_to_save", "peft_type",
    "peft_version", "r", "rank_pattern", "revision",
    "target_modules", "target_parameters", "task_type", "trainable_token_indices", "init_weights",
    "lora_alpha", "lora_bias", "lora_dropout", "megatron_core", "qalora_group_size", "use_qalora",
    "use_rslora", "use_bdlora", "eva_config",
    "kasa_config", "velora_config",
    "beta1", "beta2", "deltaT", "init_r", "target_r", "tinit", "tfinal", "total_step", "orth_reg_weight",
    "feedforward_modules", "init_ia3_weights",
    "rank_dropout", "rank_dropout_scale", "module_dropout", "decompose_both", "decompose_factor",
    "use_effective_conv2d",
    "block_share", "coft", "eps", "num_cayley_neumann_terms", "oft_block_size", "use_cayley_neumann",
    "boft_block_num", "boft_block_size", "boft_dropout", "boft_n_butterfly_factor",
    "projection_prng_key", "save_projection", "apply_GS",
    "randlora_alpha", "randlora_dropout", "sparse", "very_sparse",
))  # fmt: skip
MERGE = (
    "merge it once with peft, `PeftModel.from_pretrained(BASE, ADAPTER).merge_and_unload().save_pretrained(FOLDER)`, copy"
    " the other files of ADAPTER beside it, and name FOLDER: its vectors are those that the adapter was trained to give"
)
# Why a setting gives other vectors, where the cause was found.
CAUSES = {
    "use_dora": "transformers 5.24 does not load the magnitudes of DoRA, so sentence-transformers computes with those"
    " of the base, and peft with the trained ones",
    "layer_replication": "sentence-transformers does not repeat the base's layers, and peft does",
}


def adapter_findings(settings: Mapping[str, Any]) -> list[Finding]:
    """What keeps an adapter of these settings from being merged as sentence-transformers applies it; [] for none."""
    if not settings:
        return []
    kind = str(settings.get("peft_type", "LORA"))
    if kind in NOT_COMPARED:
        why = "sentence-transformers cannot load it, so there are no vectors to compare with"
        return [Finding(f"it is an adapter of the kind {kind}, and {why}", MERGE)]
    if kind not in MERGED:
        kinds = f"adapters of these kinds work: {', '.join(sorted(MERGED))}"
        return [Finding(f"it is an adapter of the kind {kind}, which cannot be merged into its base", kinds)]
    init = settings.get(INIT)
    found = [
        Finding(
            f"it is an adapter with {key} (adapter_config.json), and {_cause(key)}",
            MERGE,
        )
        for key, value in settings.items()
        if value and key != INIT and key not in COMPARED
    ]
    if init not in COMPARED_INITS:
        why = (
            "peft takes a part of the base away that it draws by lot each time"
            if str(init).startswith("pissa")
            else _cause(INIT)
        )
        found.append(
            Finding(f"it is an adapter with {INIT}: {init!r} (adapter_config.json), and {why}", MERGE)
        )
    return found


def _cause(key: str) -> str:
    return CAUSES.get(key, "whether its vectors are those of sentence-transformers is not known")
