"""Territories: circles and polygons, who serves a place."""
