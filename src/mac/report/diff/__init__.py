"""Two versions of committed results, compared and told."""
