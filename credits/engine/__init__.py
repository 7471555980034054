"""Set-based acts: one module each, and the only place that holds SQL text."""
