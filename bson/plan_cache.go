package bson

// A planCache remembers the plans that a pooled encoder or decoder has used lately, by what an any stores as the type:
// less work than asking the map that has all plans.
type planCache[P any] [8]struct {
	typ  pointer
	plan *P
}

// get returns the plan that was put under typ, or nil if it is not known any more.
func (c *planCache[P]) get(typ pointer) *P {
	if e := &c[slotOf(typ, len(c))]; fastPaths && e.typ == typ {
		return e.plan
	}
	return nil
}

func (c *planCache[P]) put(typ pointer, plan *P) {
	e := &c[slotOf(typ, len(c))]
	e.typ, e.plan = typ, plan
}
