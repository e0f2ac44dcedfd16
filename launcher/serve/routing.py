"""Which run answers a request: the one that `model` names, or for `auto` the first rule that holds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from launcher.errors import Usage
from launcher.serve.requests import RequestRefused

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests whose field has this value go to this run."""

    field: str
    value: str
    run: str


def parse_rule(text: str) -> Rule:
    """The rule that FIELD=VALUE:RUN writes.

    Raises:
        ValueError: the text is no rule.
    """
    field, equals, rest = text.partition("=")
    value, colon, run = rest.rpartition(":")
    if not (field and equals and value and colon and run):
        raise ValueError(f"give FIELD=VALUE:RUN, such as domain=law:contracts-1f2e3d4c, not {text[:60]!r}")
    return Rule(field.strip(), value.strip(), run.strip())


@dataclass(frozen=True, slots=True)
class Router:
    """The names of the served runs, the first being the default, and the rules for `auto`."""

    names: Sequence[str]
    rules: Sequence[Rule] = ()

    def choose(self, model: str, fields: Mapping[str, str]) -> str:
        """The name of the run for a request.

        Raises:
            RequestRefused: no served run has this name (404).
        """
        if model in self.names:
            return model
        if model == AUTO:
            return next(
                (rule.run for rule in self.rules if fields.get(rule.field) == rule.value), self.names[0]
            )
        raise RequestRefused(
            404,
            f"no run {model[:80]!r} is served here; there are {', '.join(self.names)}, and auto",
            code="model_not_found",
            param="model",
        )


def router(names: Sequence[str], rules: Sequence[Rule]) -> Router:
    """A router whose rules name served runs, by their names or the beginnings of them.

    Raises:
        Usage: a rule names another run.
    """
    found: list[Rule] = []
    for rule in rules:
        matching = [name for name in names if name.startswith(rule.run)]
        if rule.run not in names and len(matching) != 1:
            raise Usage(
                f"the rule {rule.field}={rule.value} names run {rule.run}, which is not served",
                hint=f"name one of {', '.join(names)}",
            )
        found.append(Rule(rule.field, rule.value, rule.run if rule.run in names else matching[0]))
    return Router(tuple(names), tuple(found))
