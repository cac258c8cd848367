"""Benchmarks: ``make bench`` measures what was promised, prints a table and keeps the figures as JSON."""
