"""A made-up company on real places, for trying the desk out: never loaded unless asked for, refused in production.

The same day and seed give the same content, whatever the machine; only ids and random numbers differ.
"""
