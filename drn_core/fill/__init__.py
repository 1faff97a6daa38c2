"""What a photo shows behind a person: straight edges, plain surfaces with their light and grain, seams, and patches."""
