"""A recipe becomes a run: data -> tokens -> model -> fit -> evaluate, one file a step."""
