"""How often anybody may ask about certificates, and how large a file may be that is sent to be compared."""

from __future__ import annotations

from typing import Final

VERIFY_RATE: Final = "10 per minute"
"""Per address: enough for a person with a pile of paper, too little to try numbers out."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""No certificate is as large: whatever is, is none of ours."""
