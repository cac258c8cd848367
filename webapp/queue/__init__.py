"""RQ: the doorbell that rings jobs, and the worker that answers. RQ only."""
