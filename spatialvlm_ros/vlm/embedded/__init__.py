"""The embedded model: small, trained by us on our own scenes, and runs on one core."""
