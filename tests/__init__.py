"""Tests of Zonedesk."""
