"""A proposal as a commented job.yaml: what was chosen, why, and the keys that one is likely to want next."""

import json

from launcher.format import count, percent, plural, size
from launcher.jobs.job_schema import SHIPPED
from launcher.proposal.propose import MODEL_TOKENS, Proposal

KIND_WORDS = {"document": "text and Markdown", "text": "lines of text"}  # of formats whose name says little


def job_text(found: Proposal, name: str = "job.yaml") -> str:
    """The text of the job file, whose name is shown in it. The parser reads it as it is."""
    lines = [
        f"# yaml-language-server: $schema={SHIPPED.resolve().as_uri()}",
        f"# Proposed by `embedfleet init` for {seen_text(found)}.",
        f"# Next: embedfleet plan {_comment(name)}   (spends nothing). All keys: docs/job-file.md",
        "",
        f"name: {found.name}",
        "",
        *_corpus(found),
        "",
        *_model(found),
        "",
        *_chunk(found),
        "",
        "output:",
        f"  path: {_quoted(found.output)}",
        "  dtype: float16          # half the bytes of float32; int8 a quarter, with a little loss",
        *_keep(found),
        "",
        *_limits(found),
    ]
    return "\n".join(lines).rstrip() + "\n"


def seen_text(found: Proposal) -> str:
    """What was seen of the corpus, in words."""
    kinds = ", ".join(f"{KIND_WORDS.get(kind, kind)} {count(n)}" for kind, n in found.kinds.items())
    words = f"{plural(found.files, 'file')} ({kinds}), {size(found.bytes)}"
    if found.median_tokens is not None:
        words += f", half of the documents above about {count(found.median_tokens)} tokens"
    return words


def _corpus(found: Proposal) -> list[str]:
    lines = ["corpus:", f"  path: {_quoted(found.corpus)}"]
    if found.text is not None:
        others = f"   # or {', '.join(map(_short, found.text_others))}" if found.text_others else ""
        lines.append(f"  text: {_quoted(found.text)}{others}")
        if found.id is not None:
            lines.append(f"  id: {_quoted(found.id)}")
        else:
            lines.append("  # id: COLUMN            # none looks unique: ids are file name and position")
    if found.unit is not None:
        lines.append(
            f"  unit: {found.unit}              # {_comment(found.unit_question or found.unit_note or '')}"
        )
    if found.table is not None and found.table.delimiter:
        lines.append(f"  csv: {{delimiter: {_quoted(found.table.delimiter)}}}")
    if "://" in found.corpus:
        lines.append("  # region: aws/us-east-1  # where the bucket is: needed to price egress")
    if found.left_out:
        lines.append(f"  # not read: {_comment(found.left_out)}")
    return lines


def _model(found: Proposal) -> list[str]:
    why = {
        True: "the texts are English",
        False: "the texts are not all English, and it knows many languages",
        None: "the language could not be told; BAAI/bge-m3 knows many",
    }[found.english]
    return [
        f"model: {found.model}   # {why}; a hub id, or a folder",
        "# model: hash            # meaningless vectors at once, to try everything else",
    ]


def _chunk(found: Proposal) -> list[str]:
    most = MODEL_TOKENS[found.model]
    if found.chunk is None:
        return [
            f"# One vector a document; the model takes {count(most)} tokens.",
            f"# chunk: {{tokens: 256, overlap: 32, by: {found.by}}}   # several vectors of long documents",
        ]
    tokens, overlap, by = found.chunk
    share = percent(found.long_share or 0, 1)
    why = (
        f"about {share} of the documents are longer than the {count(most)} tokens that the model takes"
        if found.long_share
        else "long documents hold several subjects"
    )
    return [f"# {why}", f"chunk: {{tokens: {tokens}, overlap: {overlap}, by: {by}}}"]


def _keep(found: Proposal) -> list[str]:
    if found.text is None:
        return []
    kept = next((name for name in found.columns if name not in (found.text, found.id)), found.text)
    return [
        f"  # keep: [{_quoted(kept)}]   # columns to store beside the vectors, such as for `embedfleet search`"
    ]


def _limits(found: Proposal) -> list[str]:
    if "://" in found.corpus:
        return [
            "limits:",
            "  budget: $5              # dollars at most; raise it when you have seen the plan",
        ]
    return [
        "# limits: {deadline: 6h, budget: $5}",
        "# local: {usd_per_hour: 0.05}   # what an hour of this machine costs you; without it dollars are ?",
    ]


def _quoted(text: str) -> str:
    """Text as a YAML value, in quotes where YAML or a reader could take it for something else."""
    plain = text.replace("/", "").replace("_", "").replace("-", "").replace(".", "")
    return (
        text
        if plain.isalnum() and plain.isascii() and not plain.isdigit() and not _word(text)
        else "".join(map(_escaped, json.dumps(text, ensure_ascii=False)))
    )


def _escaped(character: str) -> str:
    """A character as it may stand in quotes: YAML takes more of them for the end of a line than JSON escapes."""
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _word(text: str) -> bool:
    return (
        text.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
        or text[:1] in "-.0123456789"
    )


def _short(name: str) -> str:
    return _comment(name)[:40]


def _comment(text: str) -> str:
    """Text that stays in its comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
