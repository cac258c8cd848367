"""An uploaded picture is told by its content, bounded, and drawn anew, so that only its pixels are kept."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from webapp.core.errors import Invalid
from webapp.web.uploads import MOST_BYTES, Picture, picture_from

SCRIPT = b"<script>alert(document.domain)</script>"
PHP = b"<?php system($_GET['c']); ?>"


def image(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """A picture of many colours, the same each time."""
    dice = random.Random(7)
    made = Image.new("RGBA", (width, height))
    made.putdata([tuple(dice.randrange(256) for _ in range(4)) for _ in range(width * height)])
    return made.convert(mode)


def file_of(kind: str, made: Image.Image | None = None, **more: Any) -> bytes:
    """A picture as a file of a kind."""
    out = io.BytesIO()
    (made or image()).save(out, kind, **more)
    return out.getvalue()


def taken(sent: bytes, **more: Any) -> Picture:
    """What is kept of an upload."""
    return picture_from(io.BytesIO(sent), **more)


def refused(sent: bytes, **more: Any) -> str:
    """The code an upload is refused with."""
    with pytest.raises(Invalid) as refusal:
        taken(sent, field="logo", **more)
    assert refusal.value.field == "logo"
    assert str(refusal.value)
    return refusal.value.code


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that says it is so large, whatever it holds."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data or zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/webp"), ("WEBP", "image/webp")])
def test_the_three_kinds_are_taken_and_drawn_anew(kind: str, media_type: str) -> None:
    sent = file_of(kind)
    kept = taken(sent)
    assert (kept.media_type, kept.width, kept.height) == (media_type, 40, 30)
    assert kept.content != sent
    with Image.open(io.BytesIO(kept.content)) as again:
        assert again.size == (40, 30)
        assert again.get_format_mimetype() == media_type


def test_pixels_stay_what_they_were() -> None:
    with Image.open(io.BytesIO(taken(file_of("PNG")).content)) as again:
        assert again.convert("RGB").tobytes() == image().tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_usual_way_to_keep_pixels_is_taken(mode: str) -> None:
    made = Image.new("I;16", (8, 8), 700) if mode == "I;16" else image(8, 8, mode)
    assert taken(file_of("PNG", made)).width == 8


def test_see_through_stays_see_through_and_cmyk_becomes_colours_of_a_screen() -> None:
    with Image.open(io.BytesIO(taken(file_of("PNG", image(8, 8, "RGBA"))).content)) as again:
        assert again.mode == "RGBA"
    assert taken(file_of("JPEG", image(8, 8, "CMYK"))).media_type == "image/webp"


# -- what rides along ----------------------------------------------------------------------------------------------


def with_exif() -> Image.Exif:
    """Place, camera and a turn, as a telephone writes them."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    exif[0x010F] = "SecretCamera"
    exif[0x8825] = {1: "N", 2: (17.0, 41.0, 12.0)}
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_place_and_camera_go_and_the_picture_stands_upright(kind: str) -> None:
    kept = taken(file_of(kind, exif=with_exif()))
    assert (kept.width, kept.height) == (30, 40)
    with Image.open(io.BytesIO(kept.content)) as again:
        assert dict(again.getexif()) == {}
        assert not {"exif", "comment", "icc_profile", "xmp", "XML:com.adobe.xmp"} & set(again.info)
    assert b"SecretCamera" not in kept.content


def polyglots() -> dict[str, bytes]:
    """Pictures that are something else as well."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SCRIPT.decode())
    text.add_itxt("XML:com.adobe.xmp", PHP.decode())
    png, jpeg, webp = file_of("PNG"), file_of("JPEG"), file_of("WEBP")
    commented = jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(SCRIPT) + 2) + SCRIPT + jpeg[2:]
    riff = (
        webp[:4]
        + struct.pack("<I", len(webp) - 8 + 8 + len(PHP))
        + webp[8:]
        + b"XMP "
        + struct.pack("<I", len(PHP))
        + PHP
    )
    return {
        "markup in a PNG's comment": file_of("PNG", pnginfo=text),
        "markup behind a PNG's end": png + SCRIPT,
        "a program in a chunk of its own": png[:-12] + chunk(b"evIl", PHP) + png[-12:],
        "markup in a JPEG's comment": commented,
        "a program behind a JPEG's end": jpeg + PHP,
        "an archive behind a JPEG's end": jpeg + b"PK\x03\x04" + SCRIPT + b"PK\x05\x06" + b"\x00" * 18,
        "a program in a WebP's chunk": riff,
        "markup in a colour profile": file_of("PNG", icc_profile=SCRIPT * 4),
    }


@pytest.mark.parametrize("name", sorted(polyglots()))
def test_a_picture_that_is_something_else_as_well_keeps_only_its_pixels(name: str) -> None:
    sent = polyglots()[name]
    if "profile" not in name:  # packed there
        assert SCRIPT in sent or PHP in sent  # it does carry what is to be lost
    kept = taken(sent)
    for word in (b"<script", b"<?php", b"PK\x03\x04", b"alert("):
        assert word not in kept.content
    with Image.open(io.BytesIO(kept.content)) as again:
        assert not [value for value in again.info.values() if "script" in str(value)]


@pytest.mark.parametrize(
    "sent",
    [
        b"GIF89a=1/*" + b"\x00" * 40 + b"*/;alert(1)",
        file_of("GIF"),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<?xml version='1.0'?><svg/>",
        b"<!doctype html>" + SCRIPT,
        SCRIPT + file_of("PNG"),
        b"%PDF-1.7 ",
        b"BM" + b"\x00" * 60,
        file_of("BMP"),
        file_of("TIFF"),
        file_of("ICO"),
        file_of("PPM"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1",
        b"PK\x03\x04",
        b"\x00" * 100,
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
    ],
    ids=lambda sent: repr(sent[:16]),
)
def test_other_kinds_are_refused_by_their_content(sent: bytes) -> None:
    """Pillow would open several of these; a name or a type the browser sends says nothing."""
    assert refused(sent) == "picture-unknown"


@pytest.mark.parametrize("magic", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBP"])
@pytest.mark.parametrize("rest", [b"", SCRIPT, b"\x00" * 500, b"\xff" * 500])
def test_a_picture_s_first_bytes_alone_are_no_picture(magic: bytes, rest: bytes) -> None:
    assert refused(magic + rest) == "picture-broken"


# -- bounds --------------------------------------------------------------------------------------------------------


def test_nothing_and_too_much_are_refused_and_no_more_is_read_than_may_come() -> None:
    assert refused(b"") == "picture-missing"
    endless = io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"x" * (MOST_BYTES * 3))
    with pytest.raises(Invalid, match="larger than 1024 kB"):
        picture_from(endless)
    assert endless.tell() == MOST_BYTES + 1


@pytest.mark.parametrize(
    ("width", "height"), [(60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (5000, 5000), (8001, 1)]
)
def test_a_bomb_is_refused_by_what_its_head_says_before_it_is_unpacked(width: int, height: int) -> None:
    """Fails if pixels are counted after unpacking: a few kilobytes of zeros become gigabytes."""
    sent = png_of(width, height, zlib.compress(b"\x00" * 10_000_000, 9))
    assert len(sent) < 20_000
    tracemalloc.start()
    try:
        assert refused(sent) in ("picture-too-many-pixels", "picture-broken")
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_large_picture_that_may_come_is_taken() -> None:
    """The control: the bound is on what is too large, not on what is large."""
    assert taken(file_of("PNG", Image.new("RGB", (4000, 3900), "white"))).width == 4000


def test_a_bomb_of_text_in_a_picture_is_refused() -> None:
    packed = zlib.compress(b"A" * 80_000_000, 9)
    png = file_of("PNG")
    bomb = png[:33] + chunk(b"zTXt", b"Comment\x00\x00" + packed) + png[33:]
    assert len(bomb) < MOST_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(Invalid):
            taken(bomb)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_an_animation_keeps_its_first_frame() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    for kind in ("PNG", "WEBP"):
        kept = taken(file_of(kind, frames[0], save_all=True, append_images=frames[1:]))
        with Image.open(io.BytesIO(kept.content)) as again:
            assert getattr(again, "n_frames", 1) == 1
            red, green, blue = again.convert("RGB").getpixel((8, 8))  # type: ignore[misc]
            assert red > 200 > 60 > max(green, blue)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_short_anywhere_is_refused_and_never_breaks_the_desk(kind: str) -> None:
    sent = file_of(kind)
    for end in range(13, len(sent) - 20, max(1, len(sent) // 40)):
        with pytest.raises(Invalid):
            taken(sent[:end])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_damaged_picture_is_refused_or_drawn_and_nothing_else_happens(kind: str) -> None:
    dice, whole = random.Random(kind), file_of(kind)
    for _ in range(200):
        sent = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            sent[dice.randrange(len(sent))] = dice.randrange(256)
        try:
            kept = taken(bytes(sent))
        except Invalid:
            continue
        assert kept.width * kept.height <= 16_000_000


def test_a_picture_can_be_made_to_fit() -> None:
    kept = taken(file_of("PNG", image(400, 200)), fit_into=(100, 100))
    assert (kept.width, kept.height) == (100, 50)
    small = taken(file_of("PNG", image(20, 10)), fit_into=(100, 100))
    assert (small.width, small.height) == (20, 10)


def test_a_picture_s_bytes_do_not_show_when_it_is_printed() -> None:
    assert "content" not in repr(taken(file_of("PNG")))
