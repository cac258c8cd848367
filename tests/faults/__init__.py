"""Concurrency at scale and kills: `make faults`, the profiles `ci` and `full`."""
