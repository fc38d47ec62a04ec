package spectest

// Summary is what a tally logs at its end.
func Summary(c *Tally) string { return c.summary() }
