"""Compute the seals of an exported audit log again: ``python verify_audit_export.py FILE [POSITION:HEAD]``.

Needs nothing but Python: whoever doubts the log need not trust the program that wrote it. ``docs/ops/audit.md`` says
what a line holds. Exit code 1 when something does not fit.
"""

import hashlib
import json
import sys


class Numeral(str):
    """A number as it was written: reading it as a double would round it."""


def canonical(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return str(value) if isinstance(value, Numeral) else json.dumps(value, ensure_ascii=False)


file, head = sys.argv[1], (sys.argv[2:] or [""])[0]
with open(file, encoding="utf-8") as opened:
    lines = [json.loads(line, parse_float=Numeral, parse_int=Numeral) for line in opened if line.strip()]
chain = sorted((line for line in lines if line["seal"]["position"]), key=lambda line: int(line["seal"]["position"]))
last, gaps, heads = {"position": "0", "hash": "00" * 32}, 0, set()
for line in chain:
    seal = line["seal"]
    follows = int(seal["position"]) == int(last["position"]) + 1
    gaps += not follows
    computed = hashlib.sha256(bytes.fromhex(seal["previous"]) + canonical(line["entry"]).encode()).hexdigest()
    if computed != seal["hash"] or (follows and seal["previous"] != last["hash"]):
        sys.exit(f"Broken at position {seal['position']}: entry and seal, or this seal and the one before, do not fit.")
    last = seal
    heads.add(f"{seal['position']}:{seal['hash']}")
if head and head not in heads:
    sys.exit("The head you noted down is not in this export.")
print(f"{len(chain)} sealed entries fit, {gaps} gap(s), {len(lines) - len(chain)} without a seal.", end=" ")
print(f"Head: {last['position']}:{last['hash']}")
