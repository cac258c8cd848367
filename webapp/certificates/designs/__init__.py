"""How an operator's certificates look: drafts, immutable versions, and previews made by work-horses (ADR 0024)."""
