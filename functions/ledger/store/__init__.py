"""The store: the only room that talks to DynamoDB."""
