"""A geocoder as a process of its own, which tests ask as they would ask Nominatim."""
