"""The floor: Typst's own call, one after the other, and nothing of the desk around it.

Reads payloads as JSON from standard input, and prints the seconds that all of them took. What is drawn is worked out
before the clock runs, and the compiler has drawn one page already.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from datetime import time as time_of_day

import typst

from webapp.certificates.pdf import DESIGNS, FONTS, TEMPLATES, CertificatePayload, CertificateRenderer


def main() -> None:
    """Draw them all."""
    payloads = [CertificatePayload.from_json(payload) for payload in json.load(sys.stdin)]
    renderer = CertificateRenderer()
    inputs = [(payload, renderer._inputs(payload)) for payload in payloads]
    compiler = typst.Compiler(
        root=TEMPLATES,
        font_paths=typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS]),
        ignore_system_fonts=True,
    )

    def draw(payload: CertificatePayload, said: dict[str, str]) -> bytes:
        content = compiler.compile(
            TEMPLATES / DESIGNS[payload.design_version],
            format="pdf",
            sys_inputs=said,
            pdf_standards=["a-2a"],
            timestamp=datetime.combine(payload.awarded_on, time_of_day(), UTC),
        )
        assert isinstance(content, bytes)
        return content

    draw(*inputs[0])
    began = time.perf_counter()
    for payload, said in inputs:
        draw(payload, said)
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
