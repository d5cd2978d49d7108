"""What becomes of a reply: read, held against every rule and every measured figure, and made whole."""
