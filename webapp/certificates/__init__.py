"""Certificates: numbers, issuing, the PDF, verification and revocation."""
