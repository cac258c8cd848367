"""What the JSON routes of passkeys share: reading what ``static/passkeys.js`` sends, answering it, and their limits.

Each ceremony is two requests, options and answer, under the CSRF token like every form. An answer that succeeds says
where to go on: ``{"go": "/account"}``. A refusal is a problem (RFC 9457) whose ``detail`` is a sentence for the person;
one that carries ``go`` means that something has to be done there first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import abort, flash, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.accounts import ceremonies
from webapp.accounts.sessions import settings_in_use
from webapp.core.errors import Invalid
from webapp.web.limits import address_key, limiter, times
from webapp.web.words import _

MAX_ANSWER: Final = 32 * 1024
"""Largest answer, in bytes. One has some two thousand; a chain of certificates may come with it."""
_ANSWERS_PER_ADDRESS: Final = 4
_QUESTIONS_PER_ADDRESS: Final = 12
"""How many times as many as the tries of an account: several people share one office line, and the sign-in page asks
a question of its own each time it is opened."""


def _questions_rate() -> str:
    return times(settings_in_use().sign_in_rate, _QUESTIONS_PER_ADDRESS)


def _answers_rate() -> str:
    return times(settings_in_use().sign_in_rate, _ANSWERS_PER_ADDRESS)


question_limit = limiter.limit(_questions_rate, key_func=address_key)
answer_limit = limiter.limit(_answers_rate, key_func=address_key)


def question(options: Mapping[str, Any]) -> ResponseReturnValue:
    """What the script hands to the browser, and what to say where the browser will not have it."""
    address = ceremonies.party_in_use().origins[0]
    return jsonify(publicKey=options, elsewhere=_("Passkeys work at %(address)s only.", address=address))


def sent() -> Mapping[str, Any]:
    """The object the script has sent. Aborts with 400 or 413, raises ``Invalid`` when it holds no credential."""
    body = object_sent()
    if not isinstance(body.get("credential"), dict):
        raise Invalid("passkey-shape", "The browser sent no passkey. Reload the page and try again.")
    return body


def object_sent() -> Mapping[str, Any]:
    """The object the script has sent, whatever it holds. Aborts with 400 or 413."""
    # By now the CSRF check has opened the body under the desk's own limit: a smaller one set here would come too late.
    if len(request.get_data()) > MAX_ANSWER:
        abort(413)
    try:
        body = request.get_json(silent=True)
    except RecursionError:  # brackets within brackets, deeper than Python reads
        body = None
    if body is None:
        abort(400)
    if not isinstance(body, dict):
        raise Invalid("passkey-shape", "The browser sent no passkey. Reload the page and try again.")
    return body


def text_of(body: Mapping[str, Any], key: str) -> str:
    """A text the script may have sent beside the credential."""
    value = body.get(key)
    # JSON can write half a character, which is no text: nothing could be stored, hashed or written of it.
    return value if isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value) else ""


def go_on(url: str) -> ResponseReturnValue:
    """It worked: the script opens ``url``."""
    return jsonify(go=url)


def go_first(url: str, sentence: str | None = None) -> ResponseReturnValue:
    """Something has to be done at ``url`` first, which says the translated sentence."""
    if sentence is not None:
        flash(sentence, "error")
    return jsonify(go=url), 403
