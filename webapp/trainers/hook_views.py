"""The door of the trainer service's messages: open to whoever signs what they send, and to nobody else."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue

from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.errors import NotFound
from webapp.db.tenancy import acting_as
from webapp.db.work import retrying
from webapp.trainers.syncing import hooks
from webapp.web.access import public
from webapp.web.csrf import csrf

bp = Blueprint("trainer_hooks", __name__, url_prefix="/hooks")
csrf.exempt(bp)  # a signature stands for the token of a form


@bp.post("/trainer-service")
@public
def receive() -> ResponseReturnValue:
    """Take a message: 202, also when it was taken before; 401 for one that nobody signed, 400 for none.

    Like every changing request it is counted, by the address it comes from.
    """
    settings: Settings = current_app.extensions["settings"]
    if settings.trainer_service_url is None or not settings.trainer_hook_secret_list:
        raise NotFound()
    request.max_content_length = hooks.MOST_BYTES
    try:
        headers = {name.lower(): value for name, value in request.headers.items()}
        message = hooks.read(request.get_data(cache=False), headers, settings.trainer_hook_secret_list)
    except hooks.NotSigned:
        return Response(status=401)
    except hooks.NotAMessage:
        return Response(status=400)
    with acting_as(SYSTEM):
        retrying(partial(hooks.take, message=message, now=clock.now()))
    return Response(status=202)
