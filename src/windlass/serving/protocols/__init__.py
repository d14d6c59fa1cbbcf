"""What can be asked over HTTP and gRPC, and in whose words: Windlass's own, MLflow's, the Open Inference Protocol's."""
