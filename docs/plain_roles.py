"""How does a docstring's :class:`Name` look on the site? As code: a griffe extension that takes Sphinx's roles out."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|data|mod|attr):`~?([^`]+)`")


class PlainRoles(griffe.Extension):
    """Runs over every docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(r"`\1`", obj.docstring.value)
