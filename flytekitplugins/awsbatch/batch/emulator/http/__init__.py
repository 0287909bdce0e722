"""The service over HTTP: AWS Batch's REST-JSON, CloudWatch Logs' JSON, and what keeps strangers out."""
