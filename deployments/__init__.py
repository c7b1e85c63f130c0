"""What makes the flows run by themselves: deployments, work pools, limits and automations, registered at once."""
