"""Puts the web application together: the one place that knows every room."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import sentry_sdk
import structlog
from flask import Flask, g, request
from flask_babel import Babel
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sentry_sdk.integrations.logging import LoggingIntegration

import webapp.tables  # noqa: F401 - every table is known before the first query
from webapp import cli, logs
from webapp.accounts import signin
from webapp.audit.service import Origin, set_origin
from webapp.certificates.promising import promise_for
from webapp.config import Environment, Settings, load_settings
from webapp.core import clock, failpoints
from webapp.db import work
from webapp.db.base import Base
from webapp.desk import beside
from webapp.queue.doorbell import Doorbell
from webapp.trainers.badge import init_badge
from webapp.web import init_web
from webapp.web.cache import init_cache
from webapp.web.edge import init_edge
from webapp.web.hashed_uploads import DeskRequest
from webapp.web.limits import init_limits
from webapp.zones.addresses import init_geocoder
from webapp.zones.remembered import init_zone_lookup

ROOT: Final = Path(__file__).resolve().parent.parent
LOCALES: Final = ("en", "hi", "te")
MAX_BODY: Final = 2 * 1024 * 1024
"""Largest request body, in bytes."""

ROOMS: Final = (
    "ops",
    "audit",
    "operators",
    "accounts",
    "courses",
    "households",
    "zones",
    "trainers",
    "schedule",
    "bookings",
    "assignments",
    "course_sessions",
    "certificates",
    "desk",
)
"""The rooms that may have pages: those with a ``views`` module, whose blueprint is called ``bp``."""
MORE_PAGES: Final = (
    "bookings.demand_views",
    "certificates.batch_views",
    "certificates.changing_views",
    "certificates.designs.views",
    "certificates.holder_views",
    "certificates.issuer_views",
    "certificates.letter_views",
    "trainers.hook_views",
    "trainers.sync_views",
    "zones.file_views",
    "zones.map_views",
)
"""Modules of rooms with pages of another address than the room's own; their blueprint is called ``bp`` as well."""


def create_app(settings: Settings | None = None) -> Flask:
    """The application, ready to serve. Connects to nothing: servers are asked when the first request needs them.

    Raises ``SettingsError`` when ``settings`` is not given and the environment is not fit to boot from.
    """
    settings = settings or load_settings()
    logs.configure(settings)
    _report_errors(settings)
    clock.start_at(settings.starts_at)
    failpoints.arm(settings.failpoints, settings.public_url)

    app = Flask("webapp", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.request_class = DeskRequest
    app.extensions["settings"] = settings
    _configure(app, settings)
    init_edge(app, settings)

    _bind_database(app, settings)
    Babel(app, default_locale="en", locale_selector=_locale)
    # The web room brings the CSRF extension, which Flask-Security wants to find.
    init_web(app)
    init_limits(app, settings.redis_url)
    init_cache(app, settings.redis_url)
    init_zone_lookup(app, settings.secret_key)
    init_geocoder(app, settings)
    signin.init_sign_in(app, settings)
    app.before_request(_name_origin)
    _react(app, settings)
    init_badge(app)
    _open_rooms(app)
    beside.register(app)
    cli.register(app)
    structlog.get_logger(__name__).debug("app.ready", environment=settings.environment.value)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    secure = settings.is_production
    app.config.update(
        SECRET_KEY=settings.secret_key,
        # A tuple on purpose: Flask reads any sequence, while Flask-Security takes a list for keys to sign with, newest
        # last, and so would sign with the oldest.
        SECRET_KEY_FALLBACKS=settings.previous_keys,
        # Flask-WTF knows no fallbacks, but hands this to itsdangerous, which checks with each key and signs with the
        # last; so a form that is open while keys are changed can still be sent.
        WTF_CSRF_SECRET_KEY=[*settings.previous_keys, settings.secret_key],
        TESTING=settings.environment is Environment.TEST,
        PROPAGATE_EXCEPTIONS=False,
        MAX_CONTENT_LENGTH=MAX_BODY,
        PREFERRED_URL_SCHEME="https" if secure else "http",
        SESSION_COOKIE_NAME="__Host-zonedesk" if secure else "zonedesk",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        # A form may stay open as long as a sign-in lasts.
        WTF_CSRF_TIME_LIMIT=int(timedelta(hours=settings.session_absolute_hours).total_seconds()),
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=work.engine_options(),
        BABEL_TRANSLATION_DIRECTORIES=str(ROOT / "translations"),
    )
    app.url_map.strict_slashes = False


def _report_errors(settings: Settings) -> None:
    if settings.sentry_dsn:
        sentry_sdk.init(
            dsn=settings.sentry_dsn,
            environment=settings.environment.value,
            data_collection=logs.REPORTED,
            traces_sample_rate=0.0,
            before_send=logs.scrub,
            # A failure is reported by Flask's signal, once; log lines are not reports, and stay here.
            integrations=[LoggingIntegration(level=None, event_level=None)],
        )


def _bind_database(app: Flask, settings: Settings) -> None:
    """Make the engine, on the application's role, and name it as the process's database."""
    # Not model_class=Base: Flask-SQLAlchemy would derive a second base from it, and ours carries a type map.
    db = SQLAlchemy(metadata=Base.metadata)
    db.init_app(app)
    Migrate(app, db, directory=str(ROOT / "migrations"))
    with app.app_context():
        engine = work.prepare_engine(db.engine)
    work.bind(work.Database(engine, Doorbell(settings.redis_url).ring))


def _locale() -> str:
    """The signed-in person's language, else the best of what the browser asks for."""
    chosen = signin.locale_of_person()
    return chosen if chosen in LOCALES else request.accept_languages.best_match(LOCALES, "en") or "en"


def _name_origin() -> None:
    """Tell the audit where this request's changes come from."""
    set_origin(Origin("web", g.get("request_id"), request.remote_addr))


def _react(app: Flask, settings: Settings) -> None:
    """Hand higher rooms' reactions to lower rooms, which may not import them."""
    app.extensions["on_booking_completed"] = partial(
        promise_for, max_absences=settings.max_absences, public_url=settings.public_url
    )


def _open_rooms(app: Flask) -> None:
    for room in ROOMS:
        if find_spec(f"webapp.{room}.views") is not None:
            app.register_blueprint(import_module(f"webapp.{room}.views").bp)
    for module in MORE_PAGES:
        app.register_blueprint(import_module(f"webapp.{module}").bp)
