"""What reads from the web: how long a server is waited for. Loads requests, so never on its own."""
