"""Start a job by a request: for schedulers that can do no more than send one."""
