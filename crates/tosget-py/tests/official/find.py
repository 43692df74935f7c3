"""Finds the tests that use what tosget takes over, by what they say: `download_file`, or what one gives it."""

import ast

NAMES = {"download_file", "RateLimiter", "CancelHook"}


def about_downloads(directory):
    """Their names, `module.Class.test`."""
    found = set()
    for path in directory.glob("test_*.py"):
        module = ast.parse(path.read_text(encoding="utf-8"))
        functions = _named(module.body)
        for kind in module.body:
            if isinstance(kind, ast.ClassDef):
                known = {**functions, **_named(kind.body)}
                found |= {
                    f"{path.stem}.{kind.name}.{name}"
                    for name in _named(kind.body)
                    if name.startswith("test") and _reaches(name, known, set())
                }
    return found


def _named(body):
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def _reaches(name, known, seen):
    """Whether a function says one of the names, or calls one that does."""
    if name in seen:
        return False
    seen.add(name)
    said = {getattr(node, "attr", getattr(node, "id", None)) for node in ast.walk(known[name])}
    return bool(said & NAMES) or any(_reaches(called, known, seen) for called in said & known.keys())
