"""What a person sees of a run: progress, failures, how it stops. Secrets are redacted here."""
