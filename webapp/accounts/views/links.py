"""What the pages behind letters share: the token of a link is exchanged for state of this browser's session.

``GET /reset/<token>`` and ``GET /join/<token>`` note the token's hash in the signed cookie and send on to an address
without it. So no address with a token stays in the browser's bar or goes into a Referer; and a mail
scanner that opens every link uses nothing up, because only a form that is sent does.
"""

from __future__ import annotations

from flask import current_app, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from webapp.accounts.links import token_hash
from webapp.accounts.rules import MIN_PASSWORD, LinkPurpose
from webapp.config import Settings
from webapp.web.access import SIGN_IN_ENDPOINT
from webapp.web.limits import times

_ADDRESS_FACTOR = 4
"""How many times as many letters one client may ask for as one address gets: people share an office line."""


def exchange(purpose: LinkPurpose, token: str, endpoint: str) -> Response:
    """Note the token in this browser's session and go on to ``endpoint``. Asks the database nothing."""
    session[_key(purpose)] = token_hash(token).hex()
    answer = redirect(url_for(endpoint), 303)
    # Not on the pages with the forms: they have no token in their address, and without any Referer or Origin the
    # check against other sites could not tell a form of ours.
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def link_in_browser(purpose: LinkPurpose) -> bytes | None:
    """The hash of the link this browser came with, or ``None``."""
    try:
        return bytes.fromhex(str(session.get(_key(purpose), ""))) or None
    except ValueError:
        return None


def dead_link(purpose: LinkPurpose) -> ResponseReturnValue:
    """One answer for every link that does not work, whatever the reason, and how to get another."""
    session.pop(_key(purpose), None)
    return render_template("accounts/dead_link.html", purpose=purpose), 404


def done(purpose: LinkPurpose, sentence: str) -> Response:
    """Forget the link and go on to signing in, with a notice."""
    session.pop(_key(purpose), None)
    flash(sentence)
    return redirect(url_for(SIGN_IN_ENDPOINT), 303)


def password_hint() -> int:
    """How many characters a new password needs, for the hint below its field."""
    return MIN_PASSWORD


def reset_rate() -> str:
    """How often one account may be asked for."""
    settings: Settings = current_app.extensions["settings"]
    return settings.reset_rate


def reset_rate_of_client() -> str:
    """How often one client may ask, for whatever accounts."""
    return times(reset_rate(), _ADDRESS_FACTOR)


def _key(purpose: LinkPurpose) -> str:
    return f"link_{purpose.value}"
