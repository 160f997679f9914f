"""La pile entière, de bout en bout : de vrais conteneurs, un vrai navigateur."""
