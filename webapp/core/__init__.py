"""What every room stands on: actors, time, errors, identifiers, intervals and geography. Standard library only."""
