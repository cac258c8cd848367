"""What the engine and the approval pages ask of the database."""
