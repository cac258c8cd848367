"""What the pages that read several rooms ask of the database."""
