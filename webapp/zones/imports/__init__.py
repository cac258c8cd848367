"""Importing a file of zones: it is looked at in the background, reported on row by row, and written when asked for.

The row of ``zone_imports`` is the promise. Each step is taken by whoever holds its lease; who is killed leaves nothing
half done: a look begins anew, and a file is written in one transaction.
"""
