"""Measures the source code itself: names, docstrings, imports, classes and folders. Prints one JSON document.

`python -m bench house` measures; `python -m bench.house --check` also fails, with one line for each bar that is missed.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("data", "generation", "judging", "calibration", "stats", "dashboard")
UNTYPED = re.compile(r"\b(?:dict|Mapping|MutableMapping)\[str, Any\]")
GENERATED = "versions"  # Alembic's revisions are named by their number
SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)

# What the house must reach. A bar is only ever moved in the direction of its improvement.
BARS: Mapping[str, float] = {
    "one_word_names": 0.10,
    "parameters_documented": 0.95,
    "wrong_sections": 0,
    "circles": 0,
    "doubled_classes": 0,
    "largest_folder": 12,
    "deepest_room": 6,
    "untyped_mappings": 70,
}
AT_LEAST = {"parameters_documented"}


@dataclass(frozen=True)
class Module:
    """One module of the house: its import name, its file and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room that the module belongs to; what lies in `gnomon` itself is the room `gnomon`."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 and parts[1] in ROOMS else parts[0]

    @property
    def wing(self) -> str:
        """The folder, or the single module, of a room that the module belongs to."""
        return ".".join(self.name.split(".")[: 3 if self.room in ROOMS else 2])


@dataclass(frozen=True)
class PublicFunction:
    """A public function or method, with the names of its parameters without `self` and `cls`."""

    place: str
    name: str
    parameters: tuple[str, ...]
    docstring: str
    is_command: bool


@dataclass(frozen=True)
class HouseReport:
    """The document of `python -m bench house`. A test checks the fields named in `BARS`."""

    one_word_names: float
    public_names: int
    parameters_documented: float
    functions_with_parameters: int
    wrong_sections: tuple[str, ...]
    circles: tuple[tuple[str, ...], ...]
    doubled_classes: Mapping[str, tuple[str, ...]]
    folder_sizes: Mapping[str, int]
    room_layers: Mapping[str, int]
    untyped_mappings: Mapping[str, int]

    def values_of_bars(self) -> dict[str, float]:
        """The number that each bar is compared with."""
        return {
            "one_word_names": self.one_word_names,
            "parameters_documented": self.parameters_documented,
            "wrong_sections": len(self.wrong_sections),
            "circles": len(self.circles),
            "doubled_classes": len(self.doubled_classes),
            "largest_folder": max(self.folder_sizes.values()),
            "deepest_room": max(self.room_layers.values()),
            "untyped_mappings": sum(self.untyped_mappings.values()),
        }

    def missed_bars(self) -> list[str]:
        """One sentence for each bar that the house misses, with what misses it."""
        return [
            f"{name} is {value:g}, the bar is {BARS[name]:g}: see {self._cause_of(name)}"
            for name, value in self.values_of_bars().items()
            if (value < BARS[name] if name in AT_LEAST else value > BARS[name])
        ]

    def _cause_of(self, bar: str) -> str:
        where = {"largest_folder": self.folder_sizes, "deepest_room": self.room_layers}
        return json.dumps(where.get(bar) or getattr(self, bar))


def house_modules(root: Path = ROOT) -> list[Module]:
    """Every module of the package and of bench, each once: rooms lie at the top, links to them are not followed."""
    files = [path for folder in ("gnomon", *ROOMS, "bench") for path in _python_files(root / folder)]
    return [
        Module(_import_name(path.relative_to(root)), path, ast.parse(path.read_text(encoding="utf-8")))
        for path in files
        if GENERATED not in path.parts
    ]


def import_graph(modules: list[Module]) -> dict[str, set[str]]:
    """The modules of the house that each module imports, also inside functions and under TYPE_CHECKING."""
    known = {module.name for module in modules}
    return {module.name: set(_house_imports(module, known)) - {module.name} for module in modules}


def imported_libraries(module: Module) -> set[str]:
    """First parts of the names of everything that a module imports."""
    return {name.split(".")[0] for name in _imported_names(module)}


def import_circles(graph: Mapping[str, set[str]]) -> tuple[tuple[str, ...], ...]:
    """Groups of nodes that import each other, directly or through others (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[tuple[str, ...]] = []

    def visit_node(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit_node(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                circles.append(tuple(sorted(group)))

    for node in sorted(graph):
        if node not in index:
            visit_node(node)
    return tuple(circles)


def wing_graph(modules: list[Module], room: str) -> dict[str, set[str]]:
    """The wings of a room, and for each the other wings of that room that it imports.

    Parameters
    ----------
    modules : list of Module
        All modules of the house.
    room : str
        Name of one room, or `gnomon` for what binds them.

    Returns
    -------
    dict of str to set of str
        Edges from the importing to the imported wing; a wing does not point to itself.
    """
    inside = {module.name: module.wing for module in modules if module.room == room and module.name.count(".")}
    edges: dict[str, set[str]] = {wing: set() for wing in inside.values()}
    for name, targets in import_graph(modules).items():
        if name in inside:
            edges[inside[name]] |= {inside[target] for target in targets if target in inside} - {inside[name]}
    return edges


def layer_count(graph: Mapping[str, set[str]]) -> int:
    """Length of the longest chain of imports in a graph without circles."""
    depths: dict[str, int] = {}

    def depth_of(node: str) -> int:
        if node not in depths:
            depths[node] = 0  # a circle is another measure's matter
            depths[node] = 1 + max((depth_of(target) for target in graph[node]), default=0)
        return depths[node]

    return max((depth_of(node) for node in graph), default=0)


def doubled_classes(modules: list[Module]) -> dict[str, tuple[str, ...]]:
    """Names of classes at the top of a module that are defined more than once in the house, with the modules."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module.name)
    return {name: tuple(found) for name, found in sorted(places.items()) if len(found) > 1}


def folder_sizes(modules: list[Module], root: Path = ROOT) -> dict[str, int]:
    """Number of modules in each folder, `__init__` included.

    Parameters
    ----------
    modules : list of Module
        All modules of the house.
    root : Path, default ROOT
        Root of the source tree.
    """
    sizes: dict[str, int] = defaultdict(int)
    for module in modules:
        sizes[str(module.path.parent.relative_to(root))] += 1
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def untyped_mappings(modules: list[Module]) -> dict[str, int]:
    """How often each module annotates a mapping of text to `Any`."""
    counts = {module.name: len(UNTYPED.findall(module.path.read_text(encoding="utf-8"))) for module in modules}
    return {name: count for name, count in sorted(counts.items(), key=lambda item: -item[1]) if count}


def public_functions(modules: list[Module]) -> list[PublicFunction]:
    """Public functions at the top of modules, and public methods of public classes."""
    found: list[PublicFunction] = []
    for module in modules:
        for node in module.tree.body:
            inner = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
            found.extend(
                _public_function(module.name, child, method=inner[0] is not node)
                for child in inner
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_")
            )
    return found


def parameter_section(docstring: str) -> tuple[str, ...] | None:
    """Names in the numpydoc section Parameters, without stars; None where a docstring has no such section."""
    headings = list(SECTION.finditer(docstring))
    for here, following in zip(headings, [*headings, None][1:], strict=True):
        if here[1] == "Parameters":
            body = docstring[here.end() : following.start() if following else None]
            lines = [line for line in body.splitlines() if line and not line[0].isspace()]
            return tuple(name.strip().lstrip("*\\") for line in lines for name in line.split(":")[0].split(","))
    return None


def measure_house(root: Path = ROOT) -> HouseReport:
    """Measure the source tree at `root`."""
    modules = house_modules(root)
    product = [module for module in modules if module.room != "bench"]
    functions = public_functions(product)
    with_parameters = [each for each in functions if len(each.parameters) > 1 and not each.is_command]
    documented = [each for each in with_parameters if parameter_section(each.docstring) is not None]
    rooms = (*ROOMS, "gnomon")
    circles = import_circles(import_graph(modules))
    circles += tuple(circle for room in rooms for circle in import_circles(wing_graph(modules, room)))
    return HouseReport(
        one_word_names=round(sum("_" not in each.name for each in functions) / len(functions), 3),
        public_names=len(functions),
        parameters_documented=round(len(documented) / len(with_parameters), 3),
        functions_with_parameters=len(with_parameters),
        wrong_sections=tuple(_section_fault(each) for each in functions if _section_fault(each)),
        circles=circles,
        doubled_classes=doubled_classes(modules),
        folder_sizes=folder_sizes(modules, root),
        room_layers={room: layer_count(wing_graph(modules, room)) for room in rooms},
        untyped_mappings=untyped_mappings(modules),
    )


def main() -> None:
    """Print the measurement; with `--check`, print only missed bars and exit with status 1 if there are any."""
    report = measure_house()
    if "--check" in sys.argv[1:]:
        missed = report.missed_bars()
        for line in missed:
            print(f"bench.house: {line}", file=sys.stderr)
        sys.exit(bool(missed))
    print(json.dumps(asdict(report) | {"bars": dict(BARS)}, indent=1))


def _python_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from _python_files(path)
        elif path.suffix == ".py":
            yield path


def _import_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(("gnomon", *parts) if parts[0] in ROOMS else parts).removesuffix(".__init__")


def _imported_names(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute_base(module, node)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _absolute_base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.path.name == "__init__.py" else module.name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def _house_imports(module: Module, known: set[str]) -> Iterator[str]:
    for name in _imported_names(module):
        if name in known:
            yield name
        elif (parent := name.rpartition(".")[0]) in known:
            yield parent


def _public_function(module: str, node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool) -> PublicFunction:
    arguments = node.args
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    names = names[1:] if method and names[:1] in (["self"], ["cls"]) else names
    names += [each.arg for each in (arguments.vararg, *arguments.kwonlyargs, arguments.kwarg) if each]
    decorators = " ".join(ast.unparse(each) for each in node.decorator_list)
    docstring = inspect.cleandoc(ast.get_docstring(node) or "")
    return PublicFunction(f"{module}:{node.lineno}", node.name, tuple(names), docstring, ".command" in decorators)


def _section_fault(function: PublicFunction) -> str:
    section = parameter_section(function.docstring)
    if section is None or section == function.parameters:
        return ""
    return f"{function.place} {function.name} documents {', '.join(section)}, takes {', '.join(function.parameters)}"


if __name__ == "__main__":
    main()
