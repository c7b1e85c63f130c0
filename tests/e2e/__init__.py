"""Real processes, from an upload to a version; what they share is taken down before other tests run."""
