"""What runs: the edges of the product, where Kafka, HTTP, files and clocks live."""
