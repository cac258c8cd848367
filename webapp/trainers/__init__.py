"""The roster: certifications, zones, working hours, time off."""
