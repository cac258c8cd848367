"""Pictures that somebody uploads: told by their content, bounded, and made anew.

What is kept is drawn from the picture's pixels alone. Whatever else the file held (place and camera in EXIF, a script
behind the last chunk, markup in a comment, a second file inside the first) is not copied, because nothing is copied.
The name and the type the browser sent are never looked at (OWASP File Upload Cheat Sheet; ASVS 5.0, 5.2.2 and 5.2.6).
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from PIL import Image, ImageOps

from webapp.core.errors import Invalid

MOST_BYTES: Final = 1024 * 1024
MOST_PIXELS: Final = 16_000_000
"""Told by the file's head before a single pixel is unpacked: 64 MB of memory at four bytes each."""
LONGEST_SIDE: Final = 8_000
_MAGIC: Final = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
_PLAIN: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"})
"""Pillow's ways to keep pixels that can be turned into red, green, blue and see-through."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture made anew. ``media_type`` is ``image/png`` or ``image/webp``, whatever came in."""

    content: bytes = field(repr=False)
    media_type: str
    width: int
    height: int


def picture_from(
    upload: BinaryIO,
    *,
    field: str | None = None,
    most_bytes: int = MOST_BYTES,
    most_pixels: int = MOST_PIXELS,
    fit_into: tuple[int, int] | None = None,
    for_print: bool = False,
) -> Picture:
    """Read a PNG, JPEG or WebP and draw it anew: PNG stays PNG, the others become WebP.

    ``fit_into`` (width, height) makes a larger one smaller. An animation keeps its first frame. What is ``for_print``
    always becomes PNG, and an animation is refused. Raises ``Invalid`` with a sentence for whoever uploaded it;
    ``field`` names the form's field. Never more than ``most_bytes`` + 1 are read.
    """
    sent = upload.read(most_bytes + 1)
    if not sent:
        raise Invalid("picture-missing", "Choose a picture.", field=field)
    if len(sent) > most_bytes:
        size = most_bytes // 1024
        raise Invalid("picture-too-large", "This picture is larger than %(size)s kB.", field=field, size=size)
    kind = _kind_of(sent)
    if kind is None:
        raise Invalid("picture-unknown", "This is no PNG, JPEG or WebP picture.", field=field)
    try:
        with warnings.catch_warnings():
            # Pillow only warns of a bomb up to twice its own limit; ours is asked below, and anything odd is refused.
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(sent), formats=(kind,)) as opened:
                width, height = opened.size
                if width * height > most_pixels or max(width, height) > LONGEST_SIDE:
                    raise Invalid("picture-too-many-pixels", "This picture has too many pixels.", field=field)
                if for_print and getattr(opened, "is_animated", False):
                    raise Invalid("picture-animated", "This picture moves. Choose one that stands still.", field=field)
                return _drawn_anew(opened, "PNG" if for_print else kind, fit_into)
    except Invalid:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Invalid("picture-too-many-pixels", "This picture has too many pixels.", field=field) from error
    # Decoders of broken files raise whatever they stumbled over: OSError, ValueError, struct.error, MemoryError …
    except Exception as error:
        raise Invalid(
            "picture-broken", "This picture cannot be read. Save it anew and try again.", field=field
        ) from error


def _kind_of(sent: bytes) -> str | None:
    """What a file is by its first bytes; ``None`` for whatever is not taken."""
    if sent[:4] == b"RIFF" and sent[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for magic, kind in _MAGIC.items() if sent.startswith(magic)), None)


def _drawn_anew(opened: Image.Image, kind: str, fit_into: tuple[int, int] | None) -> Picture:
    if opened.mode not in _PLAIN:
        raise ValueError(f"pixels kept as {opened.mode}")
    opened.load()
    upright = ImageOps.exif_transpose(opened)  # cameras note which way is up in the EXIF that goes
    clear = upright.has_transparency_data
    pixels = upright.convert("RGBA" if clear else "RGB")
    if fit_into is not None:
        pixels.thumbnail(fit_into, Image.Resampling.LANCZOS)
    # A new picture of the same pixels: an Image carries its file's comments and profiles along in ``info``.
    anew = Image.frombytes(pixels.mode, pixels.size, pixels.tobytes())
    out = io.BytesIO()
    if kind == "PNG":
        anew.save(out, "PNG", optimize=True)
    else:
        anew.save(out, "WEBP", quality=85, method=4)
    return Picture(out.getvalue(), "image/png" if kind == "PNG" else "image/webp", *anew.size)
