"""What a component of each kind must do: one file a kind."""
