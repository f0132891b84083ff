"""What the names in one Python file stand for, read from its imports: `c.ask` after `import pbx.console as c`."""

from __future__ import annotations

import ast
from collections import Counter

Function = ast.FunctionDef | ast.AsyncFunctionDef
UNKNOWN = "?"  #: what no import and no definition of the file says


class Names:
    """`file`: as in `pbx/process.py`."""

    def __init__(self, tree: ast.Module, file: str) -> None:
        self._module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self._package = self._module if file.endswith("/__init__.py") else self._module.rpartition(".")[0]
        self._stand_for: dict[str, str] = {}
        for node in tree.body:
            if isinstance(node, Function | ast.ClassDef):
                self._stand_for[node.name] = f"{self._module}.{node.name}"
        for imported in ast.walk(tree):
            if isinstance(imported, ast.Import):
                for alias in imported.names:
                    first = alias.name.partition(".")[0]
                    self._stand_for[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(imported, ast.ImportFrom):
                for alias in imported.names:
                    self._stand_for[alias.asname or alias.name] = f"{self.origin(imported)}.{alias.name}"
        self._constants = _constants(tree)

    def origin(self, imported: ast.ImportFrom) -> str:
        """The module that it imports from."""
        if not imported.level:
            return imported.module or ""
        package = self._package.split(".")
        parts = package[: len(package) - imported.level + 1]
        return ".".join([*parts, imported.module] if imported.module else parts)

    def of(self, node: ast.AST) -> str:
        """`pbx.console.ask`; `?.console` of what only its last part is known of; empty for what is no name."""
        if isinstance(node, ast.Name):
            return self._stand_for.get(node.id, f"{UNKNOWN}.{node.id}")
        if isinstance(node, ast.Attribute):
            return f"{self.of(node.value) or UNKNOWN}.{node.attr}"
        if isinstance(node, ast.Call) and self.of(node.func) == f"{UNKNOWN}.getattr" and len(node.args) > 1:
            return f"{self.of(node.args[0]) or UNKNOWN}.{self.text(node.args[1])}"
        return ""

    def text(self, node: ast.expr) -> str | None:
        """A constant, one of the module's that never changes, or an f-string with its names in braces."""
        if isinstance(node, ast.Constant):
            return as_text(node.value)
        if isinstance(node, ast.Name):
            return self._constants.get(node.id)
        if isinstance(node, ast.JoinedStr):
            return "".join(str(p.value) if isinstance(p, ast.Constant) else _braced(p) for p in node.values)
        return None


def last(name: str) -> str:
    """`ask` of `pbx.console.ask`."""
    return name.rpartition(".")[2]


def as_text(value: object) -> str | None:
    """Text, or bytes as text: what is sent is bytes in the end."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None


def called_or_typed(tree: ast.Module) -> set[ast.AST]:
    """The names that are called where they stand, looked into, or only say a type."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found.add(node.func)
            if isinstance(node.func, ast.Name) and node.func.id in {"isinstance", "issubclass"}:
                found.update(below for argument in node.args[1:] for below in ast.walk(argument))
        elif isinstance(node, ast.Subscript):
            found.add(node.value)
        elif isinstance(node, ast.MatchClass):
            found.add(node.cls)
        for types in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(types, ast.AST):
                found.update(ast.walk(types))
    return found


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts of the module that are given one name, once."""
    named = Counter(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    found: dict[str, str] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and named[target.id] == 1 and isinstance(value, ast.Constant):
            said = as_text(value.value)
            if said is not None:
                found[target.id] = said
    return found


def _braced(part: ast.expr) -> str:
    named = part.value if isinstance(part, ast.FormattedValue) else None
    return f"{{{named.id if isinstance(named, ast.Name) else UNKNOWN}}}"
