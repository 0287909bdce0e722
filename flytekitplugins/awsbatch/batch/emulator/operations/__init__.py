"""AWS Batch's operations, one module a resource: a request's mapping in, an answer's mapping out."""
