"""What is told of requests while they are served: metrics, traces, log lines."""
