"""The audit: what happened, who did it, before and after."""
