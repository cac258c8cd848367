"""Sending letters: over SMTP (RFC 5321), or into files where a desk has no mail server.

Delivery is at least once: a process that dies between sending and noting it sends again. Each letter's Message-ID is
made from the letter's own id, so mail programs and people can recognise the second copy.
"""

from __future__ import annotations

import ipaddress
import os
import smtplib
import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import UUID

TIMEOUT: Final = 10.0
"""Seconds one step of talking to the mail server may take."""
_POLICY: Final = SMTP.clone(cte_type="7bit")
"""Nothing but ASCII on the wire: no server needs to promise 8BITMIME."""
_LAST_TEMPORARY: Final = 499
_PORTS: Final = {"smtp": 587, "smtps": 465}
HOW_TO_WRITE: Final = "a mail server is written smtp://user:password@host:587 or smtps://user:password@host:465"
_UNFINISHED: Final = ".unfinished-"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter; ``media_type`` such as ``application/pdf``, ``name`` of ASCII letters."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One letter, ready to be sent: plain text to one address, and files. ``at`` is when it was written, aware."""

    id: UUID
    to: str
    subject: str
    text: str
    language: str
    at: datetime
    attachments: tuple[Attachment, ...] = ()


class MailRefused(Exception):
    """The letter was not taken. ``permanent``: trying again cannot help.

    ``problem`` is a word for the row and the log: it carries no address and nothing a server said, which may quote one.
    ``away`` means that the server itself did not answer as it should, so it will not take the next letter either.
    """

    def __init__(self, problem: str, *, permanent: bool, away: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.permanent = permanent
        self.away = away


class Mail(Protocol):
    """Takes letters."""

    def send(self, envelope: Envelope) -> None:
        """Hand a letter over; when it returns, the other side has taken it. Raises ``MailRefused``."""


class Encryption(StrEnum):
    """How a connection to the mail server is kept private."""

    NONE = "none"
    """Only to a server on this very machine."""
    STARTTLS = "starttls"
    TLS = "tls"


def message_of(envelope: Envelope, sender: str) -> EmailMessage:
    """The letter as a message (RFC 5322) from ``sender``, an address with or without a name.

    Raises ``MailRefused`` when an address is none, or a header would not be one line: nothing in a letter can add a
    header or a recipient.
    """
    name, address = parseaddr(sender)
    try:
        # Headers in UTF-8 only where an address itself needs them (RFC 6531): not every server takes those.
        message = EmailMessage(policy=_POLICY.clone(utf8=not envelope.to.isascii()))
        message["From"] = Address(display_name=name, addr_spec=address)
        message["To"] = Address(addr_spec=envelope.to)
        message["Subject"] = envelope.subject
        message["Date"] = format_datetime(envelope.at)
        message["Message-ID"] = f"<{envelope.id}@{domain_of(sender)}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(envelope.text)
        message["Content-Language"] = envelope.language
        for file in envelope.attachments:
            kind, _slash, subkind = file.media_type.partition("/")
            message.add_attachment(file.content, maintype=kind, subtype=subkind, filename=file.name)
        message.as_bytes()
    except (ValueError, MessageError, IndexError) as error:  # IndexError: how the parser meets some broken addresses
        raise MailRefused("not-writable", permanent=True) from error
    return message


def domain_of(sender: str) -> str:
    """The domain of an address with or without a name."""
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


class SmtpMail:
    """A mail server. Every letter has a connection of its own: letters are few, and a lost one costs only itself."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        encryption: Encryption,
        user: str | None = None,
        password: str | None = None,
        timeout: float = TIMEOUT,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Send as ``sender``. ``context`` checks the server's certificate, by the system's authorities if not given."""
        self._host = host
        self._port = port
        self._sender = sender
        self.encryption = encryption
        self._user = user
        self._password = password
        self._timeout = timeout
        self._context = context

    def send(self, envelope: Envelope) -> None:
        """See :meth:`Mail.send`. Neither password nor letter is sent before the connection is private."""
        message = message_of(envelope, self._sender)
        server = _asked(self._connect)
        try:
            _asked(lambda: self._enter(server))
            _asked(lambda: server.send_message(message, from_addr=parseaddr(self._sender)[1], to_addrs=[envelope.to]))
            with suppress(smtplib.SMTPException, OSError):
                server.quit()  # it has the letter already: however it takes our leave, this was a success
        finally:
            server.close()

    def _connect(self) -> smtplib.SMTP:
        # Naming ourselves by the sender's domain: smtplib would else ask the name server who this machine is.
        name = domain_of(self._sender)
        if self.encryption is Encryption.TLS:
            context = self._context or ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, name, timeout=self._timeout, context=context)
        return smtplib.SMTP(self._host, self._port, name, timeout=self._timeout)

    def _enter(self, server: smtplib.SMTP) -> None:
        if self.encryption is Encryption.STARTTLS:
            server.starttls(context=self._context or ssl.create_default_context())
        if self._user is not None:
            server.login(self._user, self._password or "")


def _asked(step: Callable[[], T]) -> T:
    """One step of the conversation, its failure as ours (RFC 5321, section 4.2.1: 4yz may pass, 5yz will not).

    Only what is about this recipient or this letter is permanent. A refused sign-in, sender or encryption is the
    desk's own set-up: somebody mends it, and the letters that waited go out.
    """
    try:
        return step()
    except smtplib.SMTPRecipientsRefused as error:
        code = max((code for code, _said in error.recipients.values()), default=0)
        raise MailRefused(f"recipient-{code}", permanent=code > _LAST_TEMPORARY) from error
    except smtplib.SMTPDataError as error:
        raise MailRefused(f"letter-{error.smtp_code}", permanent=error.smtp_code > _LAST_TEMPORARY) from error
    except smtplib.SMTPNotSupportedError as error:
        if "SMTPUTF8" in str(error):
            raise MailRefused("address-not-ascii", permanent=True) from error
        raise MailRefused("no-encryption", permanent=False, away=True) from error
    except smtplib.SMTPAuthenticationError as error:
        raise MailRefused("sign-in-refused", permanent=False, away=True) from error
    except smtplib.SMTPResponseException as error:
        raise MailRefused(f"server-{error.smtp_code}", permanent=False, away=True) from error
    except ssl.SSLError as error:
        raise MailRefused("certificate", permanent=False, away=True) from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailRefused("no-answer", permanent=False, away=True) from error


class FileMail:
    """Letters as ``.eml`` files in a folder, for a desk without a mail server. A second copy replaces the first."""

    def __init__(self, folder: Path, *, sender: str) -> None:
        """Write into ``folder``; made when the first letter comes, for its owner's eyes only."""
        self._folder = folder
        self._sender = sender

    def send(self, envelope: Envelope) -> None:
        """See :meth:`Mail.send`. The file appears whole or not at all."""
        content = message_of(envelope, self._sender).as_bytes()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._folder)  # 0600 by its contract
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(unfinished, self._folder / f"{envelope.id}.eml")
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise MailRefused("not-written", permanent=False, away=True) from error


def mail_from_url(url: str | None, *, sender: str, folder: Path) -> Mail:
    """The mail server a setting names, or files in ``folder`` when it names none.

    ``smtp://user:password@host:587`` must offer STARTTLS unless it is on this machine; ``smtps://…`` is TLS from the
    first byte. Parts with special letters are percent-encoded. Raises ``ValueError``, which never quotes the address.
    """
    if not url:
        return FileMail(folder, sender=sender)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    # smtplib signs in with ASCII only.
    if not host or parts.scheme not in _PORTS or not unquote(parts.netloc).isascii():
        raise ValueError(HOW_TO_WRITE) from None
    if parts.scheme == "smtps":
        encryption = Encryption.TLS
    else:
        encryption = Encryption.NONE if _is_this_machine(host) else Encryption.STARTTLS
    return SmtpMail(
        host,
        port or _PORTS[parts.scheme],
        sender=sender,
        encryption=encryption,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
