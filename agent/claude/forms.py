"""The forms in which a schema is sent: services refuse large ones, by a size that they do not tell.

Every form describes the same replies, and whatever comes back goes through the same checks.
"""

from __future__ import annotations

import json
from typing import Any, Literal, get_args

Form = Literal["full", "flat", "text"]
FORMS: tuple[Form, ...] = get_args(Form)
# So many places are looked at: a text of nothing but braces would take for ever.
LOOKS = 50
WORDS = ("title", "description", "default", "examples")


def enforced(schema: dict[str, Any], form: Form) -> dict[str, Any] | None:
    """The schema that the service is to enforce in ``form``; None in the form `text`, where it enforces none."""
    if form == "text":
        return None
    return schema if form == "full" else _bare(schema)


def told(system: str, schema: dict[str, Any], form: Form) -> str:
    """The system text in ``form``: in the form `text` it holds the schema."""
    if form != "text":
        return system
    bare = json.dumps(_bare(schema), ensure_ascii=False, separators=(",", ":"))
    return (
        f"{system.rstrip()}\n\n## Form of the reply\n\nThe reply is one JSON object, without any text before or after "
        f"it, that is valid under this JSON schema:\n\n{bare}\n"
    )


def smaller(form: Form) -> Form | None:
    """The form to try after ``form`` was refused."""
    following = FORMS.index(form) + 1
    return FORMS[following] if following < len(FORMS) else None


def _bare(schema: Any) -> Any:
    """``schema`` without words; each definition is written once and referred to."""
    if isinstance(schema, list):
        return [_bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    bare = {}
    for key, part in schema.items():
        if key in ("properties", "$defs") and isinstance(part, dict):
            # Here the keys are names, and a property may well be called `title`.
            bare[key] = {name: _bare(inner) for name, inner in part.items()}
        elif key not in WORDS:
            bare[key] = _bare(part)
    return bare


def unwrapped(text: str) -> str:
    """The JSON object in a reply whose form nobody enforced: fences and prose around it are passed over.

    The longest whole object that stands in the text, or the text itself when it holds none.
    """
    decoder, best, at, looks = json.JSONDecoder(), "", text.find("{"), 0
    while at >= 0 and looks < LOOKS:
        looks += 1
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            best = max(best, text[at:end], key=len)
        at = text.find("{", end)
    return best or text
