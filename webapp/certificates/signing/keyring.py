"""The keys one job signs with: public halves from the database, private ones from the folder, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from webapp.certificates.credentials import building, texts
from webapp.certificates.credentials.addresses import list_address
from webapp.certificates.credentials.building import CredentialFacts, CredentialImpossible
from webapp.certificates.credentials.canonical import NotCanonical
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.credentials.keys import KeyUnusable, SigningKey, public_multibase
from webapp.certificates.credentials.pinned import ContextRefused
from webapp.certificates.pdf import CertificatePayload
from webapp.certificates.queries.keys import PublicKey
from webapp.certificates.rules import KeyKind
from webapp.certificates.sealing import NO_CREDENTIAL_KEY, NO_PDF_KEY, UNUSABLE, CannotBeSigned, KeysMissing, Seal
from webapp.certificates.service import Claim
from webapp.certificates.signing.folder import KeyFolder
from webapp.certificates.signing.pades import PdfSeal
from webapp.core.ids import COMPANY_ID


@dataclass(frozen=True, slots=True)
class CredentialSigner:
    """The issuer and the key it signs with; ``key_id`` is the key's row."""

    issuer: Issuer
    key: SigningKey
    key_id: UUID


@dataclass(frozen=True, slots=True)
class OperatorSeal:
    """The seal of an operator: its own key for PDFs, the company's for credentials."""

    signer: CredentialSigner
    of_pdfs: PdfSeal
    public_url: str

    def pdf(self, content: bytes, *, at: datetime) -> bytes:
        """See :meth:`Seal.pdf`."""
        return self.of_pdfs.sign(content, at=at)

    def credential(self, payload: CertificatePayload, claim: Claim) -> bytes:
        """See :meth:`Seal.credential`. The same claim and key give the same bytes."""
        facts = CredentialFacts(
            certificate_id=claim.id,
            awarded_at=claim.awarded_at,
            valid_from=claim.valid_from,
            salt=claim.salt,
            status_list=list_address(self.public_url, claim.awarded_on.year),
        )
        issuer, key = self.signer.issuer, self.signer.key
        try:
            return texts.written(building.issue(payload, facts, issuer, key, created=claim.created_at))
        except (CredentialImpossible, NotCanonical, ContextRefused) as error:
            raise CannotBeSigned(str(error)) from error


class Keyring:
    """The keys in use, loaded when first asked for. One per work-horse, in one thread."""

    def __init__(self, folder: KeyFolder, in_use: tuple[PublicKey, ...], issuer: Issuer, public_url: str) -> None:
        """``in_use`` and ``issuer`` say what the database knows of public keys (``queries.keys``)."""
        self._folder = folder
        self._in_use = {(key.operator_id, key.kind): key for key in in_use}
        self._issuer = issuer
        self._public_url = public_url
        self._signer: CredentialSigner | None = None
        self._seals: dict[UUID, Seal] = {}

    def seal(self, operator_id: UUID) -> Seal:
        """See :meth:`Keys.seal`."""
        known = self._seals.get(operator_id)
        if known is not None:
            return known
        public = self._in_use.get((operator_id, KeyKind.X509))
        signer = self.signer()
        if public is None:
            raise KeysMissing(NO_PDF_KEY, f"no key signs the PDFs of operator {operator_id}")
        try:
            of_pdfs = PdfSeal(public.public, self._folder.ec(public.id))
        except KeyUnusable as error:
            raise KeysMissing(UNUSABLE, str(error)) from error
        made = self._seals[operator_id] = OperatorSeal(signer, of_pdfs, self._public_url)
        return made

    def signer(self) -> CredentialSigner:
        """What signs credentials and lists. Raises ``KeysMissing``."""
        if self._signer is None:
            public = self._in_use.get((COMPANY_ID, KeyKind.ED25519))
            if public is None:
                raise KeysMissing(NO_CREDENTIAL_KEY, "no key signs credentials")
            try:
                private = self._folder.ed25519(public.id)
            except KeyUnusable as error:
                raise KeysMissing(UNUSABLE, str(error)) from error
            if public_multibase(private) != public.public:
                raise KeysMissing(UNUSABLE, f"the private key of {public.id} is another one")
            key = SigningKey(self._issuer.key_address(public.public), private)
            self._signer = CredentialSigner(self._issuer, key, public.id)
        return self._signer
