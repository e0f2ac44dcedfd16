"""Vector stores for tests: real servers, servers that speak a store's protocol, readers, and loaders that are wrong."""
