"""Training: loss, gradient, optimiser, and the loop over them."""
