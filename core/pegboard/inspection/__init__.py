"""What is in a data set: the measures, the findings drawn from them, and the report."""
