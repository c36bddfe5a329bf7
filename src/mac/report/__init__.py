"""From scores to tables and figures."""
