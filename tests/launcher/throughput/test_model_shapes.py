import pytest

from launcher.errors import Problem
from launcher.throughput.model_shapes import from_mapping, known, nearest, shape
from launcher.throughput.predict import ModelShape, linear_params

SIZES = ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "max_tokens", "dimensions")


def test_42_models_are_known_by_name() -> None:
    assert len(known()) == 42


def test_known_model_has_its_published_shape() -> None:
    found = shape("Alibaba-NLP/gte-Qwen2-7B-instruct")
    assert (found.layers, found.hidden, found.heads, found.kv_heads, found.head_dim) == (28, 3584, 28, 4, 128)
    assert (found.dimensions, found.max_tokens, found.pooling, found.causal) == (3584, 32768, "last", False)


# A mixture of experts: two of eight run, which its shape does not say.
MIXTURE = "nomic-ai/nomic-embed-text-v2-moe"


@pytest.mark.parametrize("one", [m for m in known() if m.name != MIXTURE], ids=lambda m: m.name)
def test_linear_parameters_of_a_known_model_follow_from_its_shape(one: ModelShape) -> None:
    found = linear_params(
        one.layers,
        one.hidden,
        one.attention_width,
        one.kv_heads * one.head_dim,
        one.intermediate,
        glu=one.glu,
    )
    assert found == one.linear_params


@pytest.mark.parametrize("one", known(), ids=lambda m: m.name)
def test_known_model_has_a_source_and_sizes_that_can_be(one: ModelShape) -> None:
    assert one.source
    assert 0 < one.linear_params < one.params_total
    assert min(one.dimensions, one.max_tokens) > 0


def test_unknown_model_is_a_problem_that_names_the_nearest() -> None:
    with pytest.raises(Problem, match="unknown model 'BAAI/bge-base-en'") as refusal:
        shape("BAAI/bge-base-en")
    assert refusal.value.hint.startswith("write model: BAAI/bge-base-en-v1.5")


def test_nearest_name_is_found_without_its_maker() -> None:
    assert nearest("all-minilm-l6-v2")[0] == "sentence-transformers/all-MiniLM-L6-v2"


def test_name_like_no_other_is_answered_with_what_to_do() -> None:
    with pytest.raises(Problem) as refusal:
        shape("zzz")
    assert refusal.value.hint == "name a folder that holds the model's config.json"


@pytest.mark.parametrize("one", known(), ids=lambda m: m.name)
def test_window_is_of_some_layers_and_shorter_than_the_text(one: ModelShape) -> None:
    assert 0 <= one.local_layers < one.layers
    assert (one.window > 0) == (one.local_layers > 0)
    assert one.window < one.max_tokens


@pytest.mark.parametrize("one", [m for m in known() if m.matryoshka], ids=lambda m: m.name)
def test_matryoshka_model_lists_shorter_vectors(one: ModelShape) -> None:
    assert one.matryoshka
    assert (
        min(int(n) for n in one.matryoshka.removeprefix("up to ").replace("-", ",").split(","))
        < one.dimensions
    )


def test_layers_and_hidden_make_a_shape() -> None:
    found = from_mapping("mine", {"layers": 12, "hidden": 768, "vocabulary": 30_522})
    base = shape("BAAI/bge-base-en-v1.5")
    assert (found.name, found.linear_params, found.heads) == ("mine", base.linear_params, base.heads)
    assert found.params_total == base.linear_params + 768 * 30_522


def test_whole_shape_is_that_of_the_published_model() -> None:
    published = shape("Qwen/Qwen3-Embedding-0.6B")
    given = {name: getattr(published, name) for name in (*SIZES, "glu", "causal", "pooling")}
    found = from_mapping(published.name, given)
    assert (found.linear_params, found.attention_width) == (published.linear_params, 2048)
    assert (found.causal, found.max_tokens, found.pooling) == (True, 32768, "last")


@pytest.mark.parametrize("given", [{"layers": 12}, {"hidden": 768}, {"layers": 0, "hidden": 768}])
def test_shape_without_layers_or_width_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(Problem, match="the shape of mine"):
        from_mapping("mine", given)


def test_size_given_as_text_is_refused_with_its_key() -> None:
    with pytest.raises(Problem, match="heads: 'many'"):
        from_mapping("mine", {"layers": 12, "hidden": 768, "heads": "many"})
