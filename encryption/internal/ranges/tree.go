package ranges

import (
	"fmt"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// root is the name of the node above all leaves.
const root = "root"

// name is the name of the node with depth bits, on the way to the leaf at place.
func (d *Domain) name(place uint128, depth int) string {
	if depth == 0 {
		return root
	}
	b := make([]byte, depth)
	for i := range b {
		b[i] = '0' + place.bit(d.bits-1-i)
	}
	return string(b)
}

// stored reports whether values have edges at a depth. Leaves always have.
func (d *Domain) stored(depth int) bool {
	return depth == d.bits || depth >= int(d.trim) && int64(depth)%d.sparsity == 0
}

// Edges returns the names of the nodes under which a value is stored. The leaf is the second after the root, or the
// first where the root is not stored; leaf is its name.
func (d *Domain) Edges(v bsonwire.Value) (edges []string, leaf string, err error) {
	place, err := d.place(v)
	if err != nil {
		return nil, "", err
	}
	leaf = d.name(place, d.bits)
	if d.trim == 0 {
		edges = append(edges, root)
	}
	edges = append(edges, leaf)
	for depth := max(1, int(d.trim)); depth < d.bits; depth++ {
		if d.stored(depth) {
			edges = append(edges, leaf[:depth])
		}
	}
	return edges, leaf, nil
}

// Cover returns the names of the nodes that have just the values from lower to upper below them.
func (d *Domain) Cover(lower, upper bsonwire.Value, lowerIncluded, upperIncluded bool) ([]string, error) {
	from, err := d.place(lower)
	if err != nil {
		return nil, err
	}
	to, err := d.place(upper)
	if err != nil {
		return nil, err
	}
	last := uint128{}.filled(d.bits)
	if !lowerIncluded {
		if !from.less(last) {
			return nil, fmt.Errorf("the query's lower bound must be less than the range maximum, if it is not in the range itself")
		}
		from = from.plus(1)
	}
	if !upperIncluded {
		if to == (uint128{}) {
			return nil, fmt.Errorf("the query's upper bound must be greater than the range minimum, if it is not in the range itself")
		}
		to = to.plus(-1)
	}
	if to.less(from) {
		return nil, fmt.Errorf("the query's lower bound must be less than or equal to its upper bound")
	}
	c := cover{d: d, from: from, to: to}
	c.descend(uint128{}, 0)
	return c.nodes, nil
}

// A cover collects the nodes that are wholly in a range.
type cover struct {
	d        *Domain
	from, to uint128
	nodes    []string
}

// descend goes through the nodes below the one with depth bits, whose first leaf is at start.
func (c *cover) descend(start uint128, depth int) {
	below := c.d.bits - depth
	end := start.filled(below)
	if end.less(c.from) || c.to.less(start) {
		return
	}
	if !start.less(c.from) && !c.to.less(end) && c.d.stored(depth) {
		c.nodes = append(c.nodes, c.d.name(start, depth))
		return
	}
	c.descend(start, depth+1)
	c.descend(start.withBit(below-1), depth+1)
}
