"""The web room: what every page shares. It knows Flask, the core and the database's transactions, and no other room."""

from __future__ import annotations

import flask_login
from flask import Flask, current_app, url_for
from flask_babel import get_locale
from flask_wtf.csrf import generate_csrf

from webapp.core.actor import Role
from webapp.web import access, bodies, errors, filters, headers, request_log
from webapp.web.assets import icon_href, static_url
from webapp.web.csrf import csrf
from webapp.web.forms import form_problems
from webapp.web.maps import map_tiles
from webapp.web.nav import home_url, nav_items
from webapp.web.pagination import page_url
from webapp.web.status import status_look
from webapp.web.words import _

__all__ = ["init_web"]


def locale_tag() -> str:
    """The language of the page for ``<html lang>``: "en", "te", "pt-BR"."""
    return str(get_locale() or "en").replace("_", "-")


def role_word(role: Role | None) -> str:
    """What a role is called on pages."""
    words = {
        Role.FRANCHISE_STAFF: _("Franchise staff"),
        Role.FRANCHISE_MANAGER: _("Franchise manager"),
        Role.COMPANY_STAFF: _("Company staff"),
        Role.ADMIN: _("Admin"),
        Role.AUDITOR: _("Auditor"),
    }
    return words[role] if role is not None else ""


def operator_name() -> str:
    """The operator of whoever is signed in, as ``current_user.operator_name`` tells it; nothing when it does not."""
    return str(getattr(flask_login.current_user, "operator_name", "") or "")


def account_url() -> str:
    """Where somebody signed in finds their own account."""
    return url_for(access.ACCOUNT_ENDPOINT) if access.ACCOUNT_ENDPOINT in current_app.view_functions else "/account"


def sign_out_url() -> str:
    """Where the sign-out form posts to."""
    return url_for(access.SIGN_OUT_ENDPOINT) if access.SIGN_OUT_ENDPOINT in current_app.view_functions else "/sign-out"


def init_web(app: Flask) -> None:
    """Put the web room into the app: hooks, error pages, filters and Jinja globals.

    Call it after ``Babel`` and the login manager, once. Order of a request: name it and start its clock, refuse other
    hosts and other sites, check the CSRF token, ask the guard.
    """
    app.before_request(access.arrive)
    app.before_request(request_log.begin)
    app.before_request(headers.refuse_other_hosts)
    app.before_request(headers.refuse_other_sites)
    app.before_request(bodies.let_in)
    if "csrf" not in app.extensions:
        csrf.init_app(app)
    app.before_request(access.guard)
    app.teardown_request(access.leave)
    # Functions after a request run last first: the log line sees the finished headers.
    app.after_request(request_log.finish)
    app.after_request(headers.secure)
    errors.register(app)
    filters.register(app)
    app.jinja_env.globals.update(
        actor_or_none=access.actor_or_none,
        csp_nonce=headers.csp_nonce,
        csrf_token=generate_csrf,
        form_problems=form_problems,
        home_url=home_url,
        icon_href=icon_href,
        locale_tag=locale_tag,
        map_tiles=map_tiles,
        may=access.may,
        nav_items=nav_items,
        operator_name=operator_name,
        page_url=page_url,
        role_word=role_word,
        account_url=account_url,
        sign_out_url=sign_out_url,
        static_url=static_url,
        status_look=status_look,
        view_as_until=access.view_as_until,
    )
