"""The AWS account behind a deployment: the template that makes it, the policies that it needs, and the checks of it."""
