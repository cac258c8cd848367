"""The pages that read several rooms: home and the new booking."""
