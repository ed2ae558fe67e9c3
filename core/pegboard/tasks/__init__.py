"""What is learned: the head, the loss, the metrics and the batches of a task. Classification is the first."""
