"""Measure the structure of the code and print it as JSON: `python -m scripts.structure [ROOT]`.

Modules per package, imports between modules and between packages, circles, the longest class and function, and how
many subscripts with a text key there are (`body["key"]`), which is how an untyped document is read. ROOT is another
checkout to measure with the same rules, so that two states can be compared.
"""

import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

PACKAGES = ("embedfleet", "launcher", "tasks", "pricing")
TYPES = frozenset({"Literal", "Annotated", "Sequence", "Mapping"})  # `Literal["x"]` reads no document


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest definition of a kind, in lines with its decorators and docstring."""

    name: str
    lines: int


@dataclass(frozen=True, slots=True)
class Structure:
    """What is measured.

    Attributes:
        text_subscripts: subscripts whose key is a text constant, by top package.
        lazy_import_suppressions: comments that allow an import inside a function (PLC0415).
        functions_over_60_lines: how many.
    """

    modules: Mapping[str, int]
    module_imports: int
    package_imports: int
    module_circles: tuple[tuple[str, ...], ...]
    package_circles: tuple[tuple[str, ...], ...]
    longest_class: Longest
    longest_function: Longest
    functions_over_60_lines: int
    text_subscripts: Mapping[str, int]
    lazy_import_suppressions: int


def measure(root: Path) -> Structure:
    """Read every module below the three packages of this checkout; nothing is imported."""
    sources = {name: path.read_text(encoding="utf-8") for name, path in modules(root)}
    trees = {name: ast.parse(text) for name, text in sources.items()}
    arrows = {name: frozenset(imported(tree, name, trees)) for name, tree in trees.items()}
    packages: dict[str, set[str]] = defaultdict(set)
    capabilities: dict[str, set[str]] = defaultdict(set)
    for name, targets in arrows.items():
        packages[package(name, trees)] |= {package(t, trees) for t in targets} - {package(name, trees)}
        capabilities[capability(name, trees)] |= {capability(t, trees) for t in targets}
    classes = [d for d in definitions(trees) if d[2]]
    functions = [d for d in definitions(trees) if not d[2]]
    return Structure(
        modules=dict(sorted(Counter(package(name, trees) for name in trees).items())),
        module_imports=sum(map(len, arrows.values())),
        package_imports=sum(map(len, packages.values())),
        module_circles=tuple(circles(arrows)),
        package_circles=tuple(circles({k: frozenset(v) for k, v in capabilities.items()})),
        longest_class=longest(classes),
        longest_function=longest(functions),
        functions_over_60_lines=sum(lines > 60 for _, lines, _ in functions),
        text_subscripts={
            top: sum(subscripts(t) for n, t in trees.items() if n.split(".")[0] == top) for top in PACKAGES
        },
        lazy_import_suppressions=sum(text.count("PLC0415") for text in sources.values()),
    )


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Each module's dotted name and file; a package's name stands for its `__init__.py`."""
    for top in PACKAGES:
        for path in sorted((root / top).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def package(name: str, known: Mapping[str, object]) -> str:
    """The package that a module stands in; a package's own `__init__` belongs to it."""
    return name if any(other.startswith(f"{name}.") for other in known) else name.rpartition(".")[0]


def capability(name: str, known: Mapping[str, object]) -> str:
    """The package below a top package, with its own sub-packages; a module of a top package stands for itself."""
    return ".".join(name.split(".")[:2]) if name != package(name, known) or "." in name else name


def imported(tree: ast.Module, own: str, known: Mapping[str, object]) -> Iterator[str]:
    """The modules of ours that a module imports, lazily or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in names]
        else:
            continue
        yield from (name for name in names if name in known and name != own)


def definitions(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, int, bool]]:
    """Every class and function: its name, its length in lines, whether it is a class."""
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                lines = (node.end_lineno or first) - first + 1
                yield f"{module}.{node.name}", lines, isinstance(node, ast.ClassDef)


def longest(found: list[tuple[str, int, bool]]) -> Longest:
    name, lines, _ = max(found, key=lambda d: d[1])
    return Longest(name, lines)


def subscripts(tree: ast.Module) -> int:
    return sum(
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
        and not (isinstance(node.value, ast.Name) and node.value.id in TYPES)
        for node in ast.walk(tree)
    )


def circles(arrows: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, ...]]:
    """The strongly connected components of more than one node, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[tuple[str, ...]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in sorted(arrows.get(name, ())):
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            members: list[str] = []
            while not members or members[-1] != name:
                members.append(stack.pop())
            if len(members) > 1:
                found.append(tuple(sorted(members)))

    for name in sorted(arrows):
        if name not in index:
            visit(name)
    yield from found


if __name__ == "__main__":
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    print(json.dumps(asdict(measure(root)), indent=1))
