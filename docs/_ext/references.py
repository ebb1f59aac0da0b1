"""Cross-references by short names: `InputError` in a docstring leads to `throughtime.InputError`.

Docstrings and annotations name classes as the code does, without their modules. A short name refers to the only
documented object of that name. Types that are not public, or of another library, stay text; errors must be documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element) -> Element | None:
    """Return a reference to the documented object that a short name means, or its text."""
    if node.get("refdomain") != "py":
        return None
    domain: Any = env.get_domain("py")
    target = node["reftarget"]
    documented = [name for name, entry in domain.objects.items() if not entry.aliased]
    matches = [name for name in documented if name.endswith(f".{target}")]
    if len(matches) == 1:
        node["reftarget"] = matches[0]
        return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], matches[0], node, content)
    is_public = target.rpartition(".")[0] in {name.rpartition(".")[0] for name in documented}
    return None if is_public or node["reftype"] == "exc" else content


def skip(_app: Sphinx, _what: str, _name: str, value: Any, _skip: bool, _options: Any) -> bool | None:
    """Skip methods that scikit-learn generates (`set_fit_request`) and fields that "Attributes:" already lists."""
    is_generated = getattr(value, "__module__", None) == "sklearn.utils._metadata_requests"
    return True if is_generated or type(value).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both."""
    app.connect("missing-reference", resolve)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
