"""What `pegboard tokenize` and `pegboard compare-tokenizers` do: tokens to look at, whole data sets, figures."""
