"""Run folders and bundles become tidy frames."""
