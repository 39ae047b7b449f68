"""Mail from elsewhere and out again: copying between places, resumable, with a final delta (PLN-4)."""
