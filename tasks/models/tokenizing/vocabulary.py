"""Check that a model has a vector for every token of its tokenizer, before any text is embedded.

A tokenizer of another model, or one that tokens were added to while the table was not resized, would fail on the rows
that have such a token, one after another. Knows the tokenizer and the number of rows; opens no weights.
"""

from collections.abc import Sequence

from tokenizers import Tokenizer

from tasks.models.description import ModelDescription
from tasks.models.files import BadModel

SHOWN = 3


def token_rows(described: ModelDescription) -> int | None:
    """The rows of a model's table of tokens, by its weights' headers, else by config.json; None where neither says."""
    return described.weights.token_rows or described.vocabulary


def check_vocabulary(model: str, tokenizer: Tokenizer, edges: Sequence[int], rows: int) -> None:
    """Refuse a tokenizer with a token that a text can have and that the model has no vector for.

    A special token that stands beside no text (`edges`: those that do), such as a [PAD] that was added to a decoder, may
    lie beyond the table: pieces are not padded. A text that spells one out is set aside as a bad row.

    Raises:
        BadModel: there is one; the message names the first.
    """
    added = tokenizer.get_added_tokens_decoder()
    apart = {number for number, token in added.items() if token.special} - set(edges)
    beyond = sorted(
        (number, token)
        for token, number in tokenizer.get_vocab(with_added_tokens=True).items()
        if number >= rows and number not in apart
    )
    if not beyond:
        return
    shown = ", ".join(f"{token!r} is {number:,}" for number, token in beyond[:SHOWN])
    raise BadModel(
        f"the tokenizer of {model} has {len(beyond):,} tokens that the model has no vector for: it has {rows:,} vectors,"
        f" and {shown}",
        hint="the tokenizer is of another model: download the folder again; if tokens were added, resize the model with"
        " `model.resize_token_embeddings(len(tokenizer))`, train them and save it again",
    )
