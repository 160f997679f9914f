"""Les programmes des mainteneurs : mesures, mutants, captures, slides, orthographe, chiffres."""
