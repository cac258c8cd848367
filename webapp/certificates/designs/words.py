"""Words for designs: why a preview was not drawn, and which design an operator uses."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import lazy_gettext as _l

_PROBLEMS: Final[dict[str, Any]] = {
    "name-no-font": _l("A name has characters that no font of the certificates can set."),
    "name-too-long": _l("The name is too long for its place. Names of up to 200 characters fit."),
    "name-empty": _l("The name has no character that shows."),
    "picture-missing": _l("A picture is missing from the file store. Upload it again."),
    "not-stored": _l("The preview could not be stored. Check the disk space and the file store."),
    "no-answer": _l("The worker ended again and again while drawing it."),
}
_OTHERWISE: Final = _l("It could not be drawn. Change what you changed last, and try again.")


def preview_problem(code: str) -> str:
    """Why a preview was not drawn, in one sentence. A Jinja global."""
    return str(_PROBLEMS.get(code, _OTHERWISE))
