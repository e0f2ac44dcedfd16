"""YAML that remembers its lines, and a Reader that collects every mistake instead of stopping at the first.

Pure. Knows nothing of jobs: keys, types and lines only.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar, cast

import yaml

T = TypeVar("T")
DEEPEST = 20  # levels; a job has five


@dataclass(frozen=True, slots=True)
class Tree:
    """A value with its line. Mappings hold Trees by key, sequences hold Trees; scalars are as YAML reads them."""

    value: Any
    line: int


@dataclass(slots=True)
class Mistakes:
    """What is wrong, each with its line, in the order of the file."""

    where: str
    found: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def add(self, line: int, text: str) -> None:
        if (line, text) not in self.found:
            self.found.append((line, text))

    def lines(self) -> list[str]:
        return [f"{self.where}:{line}: {text}" for line, text in sorted(self.found, key=lambda m: m[0])]


def parse(text: str, mistakes: Mistakes) -> Tree | None:
    """The tree of a YAML text, None when it is none; what is wrong goes to `mistakes`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        mistakes.add(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}")
        return None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mistakes.add(1, f"not YAML: {str(error).splitlines()[0] if str(error) else 'nested too deeply'}")
        return None
    if node is None:
        mistakes.add(1, "the file is empty")
        return None
    return _tree(node, mistakes, 0)


def _tree(node: yaml.Node, mistakes: Mistakes, depth: int) -> Tree:
    line = node.start_mark.line + 1
    if depth > DEEPEST:
        mistakes.add(line, "nested too deeply")
        return Tree(None, line)
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, Tree] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else None
            at = key.start_mark.line + 1
            if name is None:
                mistakes.add(at, "a key must be a word")
            elif name in fields:
                mistakes.add(at, f"{name}: given twice")
            else:
                fields[name] = Tree(_tree(value, mistakes, depth + 1).value, at)
        return Tree(fields, line)
    if isinstance(node, yaml.SequenceNode):
        return Tree([_tree(item, mistakes, depth + 1) for item in node.value], line)
    loader = yaml.SafeLoader("")
    try:
        return Tree(cast("Any", loader).construct_object(node), line)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        mistakes.add(line, f"cannot be read: {str(error).splitlines()[0]}")
        return Tree(None, line)
    finally:
        loader.dispose()


@dataclass(slots=True)
class Reader:
    """A mapping being read. Every key asked for is known; `close` finds those that nobody asked for."""

    tree: Tree
    path: str  # of this mapping, "" at the top
    mistakes: Mistakes
    asked: list[str] = field(default_factory=list[str])

    @property
    def fields(self) -> dict[str, Tree]:
        return cast("dict[str, Tree]", self.tree.value) if isinstance(self.tree.value, dict) else {}

    def name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return key in self.fields

    def wrong(self, key: str, text: str) -> None:
        tree = self.fields.get(key, self.tree)
        self.mistakes.add(tree.line, f"{self.name(key)}: {text}")

    def take(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """The value of a key through `read`, which raises ValueError with what is wrong; `default` when absent."""
        self.asked.append(key)
        if key not in self.fields:
            return default
        try:
            return read(self.fields[key].value)
        except ValueError as error:
            self.wrong(key, str(error))
            return default

    def need(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """The same for a key that must be there."""
        if key not in self.fields:
            self.asked.append(key)
            self.mistakes.add(self.tree.line, f"{self.name(key)}: missing")
            return default
        return self.take(key, read, default)

    def inner(self, key: str) -> "Reader | None":
        """The mapping under a key, None when it is absent or no mapping."""
        self.asked.append(key)
        if key not in self.fields:
            return None
        tree = self.fields[key]
        if not isinstance(tree.value, dict):
            self.wrong(key, f"must be a mapping, not {shown(tree.value)}")
            return None
        return Reader(tree, self.name(key), self.mistakes)

    def close(self, also: Collection[str] = ()) -> None:
        """Report the keys that mean nothing, each with the nearest that does."""
        known = [*self.asked, *also]
        for key, tree in self.fields.items():
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(dict.fromkeys(known))}"
                self.mistakes.add(tree.line, f"{self.name(key)}: unknown key; {hint}")


def shown(value: Any) -> str:
    """A value in a message: short, and of its kind."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
