"""What measures the whole product, from sound to words."""
