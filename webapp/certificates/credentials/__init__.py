"""Open Badges 3.0 credentials: built from a certificate's frozen payload, signed, and verified, all of it offline.

Pure: no database, clock, request or network. Whoever signs hands in the instant and the key.
"""
