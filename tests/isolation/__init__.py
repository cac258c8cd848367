"""F8, the isolation matrix: every route, as everybody, on everybody's rows."""
