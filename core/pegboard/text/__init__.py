"""Text as Arrow: cut into segments, encoded once per distinct segment, gathered into ragged ids."""
