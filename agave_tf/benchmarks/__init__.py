"""What things cost: measured side by side in one process."""
