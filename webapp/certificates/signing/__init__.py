"""Signing certificates and lists: what holds private keys. For work-horses and the command line, never for the web.

A test holds that the web process neither imports this nor opens a key file.
"""
