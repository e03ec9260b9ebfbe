"""Look inside: how a network computes, learns and errs, as values that draw themselves."""
