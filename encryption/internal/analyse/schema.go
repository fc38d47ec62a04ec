package analyse

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// Kind is what encrypts the fields of a collection.
type Kind uint8

const (
	// NoEncryption is a collection without encrypted fields.
	NoEncryption Kind = iota
	// FieldLevel is client-side field level encryption.
	FieldLevel
	// Queryable is Queryable Encryption.
	Queryable
)

// Schema is what is known of a collection.
type Schema struct {
	Kind Kind
	root *Node
	// Fields is encryptedFields, for Queryable Encryption, with identifiers of keys in the place of names.
	Fields bson.Raw
	tokens []placeholder.TokenField
}

// Plain is the schema of a collection without encrypted fields.
func Plain() *Schema { return &Schema{root: plain} }

// Node is what is known of what is at a path of documents.
type Node struct {
	// field is how the value is encrypted; nil: it is not.
	field *Field
	// unknown tells that there may be encrypted values at or below the path, and it is not known where.
	unknown bool
	// children are the fields of a document, patterns those whose names match, rest all others. nil is plain.
	children map[string]*Node
	patterns []pattern
	rest     *Node
}

type pattern struct {
	name *regexp.Regexp
	node *Node
}

var (
	plain   = &Node{}
	unknown = &Node{unknown: true}
)

// Field is how the values at a path are encrypted.
type Field struct {
	algorithm placeholder.Algorithm
	key       placeholder.Key
	// pointer leads to the field of the document that names the key; nil: key is it.
	pointer []string
	// types are those that values may have; nil: all that can be encrypted.
	types []bson.Type

	contention int64
	ranged     *placeholder.RangeOptions
	text       *placeholder.TextOptions
}

// encrypted reports whether there are encrypted values at or below the node.
func (n *Node) encrypted() bool {
	if n == nil || n == plain {
		return false
	}
	if n.field != nil || n.unknown || n.rest.encrypted() {
		return true
	}
	for _, c := range n.children {
		if c.encrypted() {
			return true
		}
	}
	return slices.ContainsFunc(n.patterns, func(p pattern) bool { return p.node.encrypted() })
}

// child is what is known of a field of the node's documents.
func (n *Node) child(name string) *Node {
	if n == nil {
		return plain
	}
	if n.unknown {
		return unknown
	}
	found, matched := n.children[name]
	for _, p := range n.patterns {
		if !p.name.MatchString(name) {
			continue
		}
		if matched && !found.equal(p.node) {
			return unknown // more than one rule, and they differ
		}
		found, matched = p.node, true
	}
	switch {
	case matched && found != nil:
		return found
	case !matched && n.rest != nil:
		return n.rest
	}
	return plain
}

// equal reports whether both say the same.
func (n *Node) equal(m *Node) bool {
	if n == m || !n.encrypted() && !m.encrypted() {
		return true
	}
	if !n.encrypted() || !m.encrypted() || n.unknown || m.unknown {
		return false
	}
	if n.field != nil || m.field != nil {
		return n.field.equal(m.field)
	}
	if !n.rest.equal(m.rest) || len(n.patterns) > 0 || len(m.patterns) > 0 {
		return false
	}
	for name := range n.children {
		if !n.child(name).equal(m.child(name)) {
			return false
		}
	}
	for name := range m.children {
		if !n.child(name).equal(m.child(name)) {
			return false
		}
	}
	return true
}

// equal reports whether equal values of both fields are encrypted alike.
func (f *Field) equal(g *Field) bool {
	if f == nil || g == nil || f == g {
		return f == g
	}
	return f.algorithm == g.algorithm && f.key == g.key && slices.Equal(f.pointer, g.pointer) && slices.Equal(f.types, g.types) &&
		f.ranged == nil && g.ranged == nil && f.text == nil && g.text == nil
}

// with is a copy of the node with another child at a path.
func (n *Node) with(path []string, child *Node) *Node {
	if len(path) == 0 {
		return child
	}
	if n != nil && (n.unknown || n.field != nil) {
		return unknown
	}
	c := &Node{}
	if n != nil {
		*c = *n
		c.children = maps.Clone(n.children)
	}
	if c.children == nil {
		c.children = map[string]*Node{}
	}
	c.children[path[0]] = n.child(path[0]).with(path[1:], child)
	return c
}

// place is where a path leads.
type place struct {
	node *Node
	// beyond tells that the path goes on below an encrypted value.
	beyond bool
	// inArray tells that the path, by its numbers, may lead through an array to an encrypted field.
	inArray bool
}

// touches reports whether there may be encrypted values at, below or above the path.
func (p place) touches() bool { return p.beyond || p.inArray || p.node.encrypted() }

// follow follows a dotted path.
func (n *Node) follow(path string) place {
	p := n.walk(path, false)
	if !p.touches() && strings.ContainsAny(path, "0123456789$") {
		if q := n.walk(path, true); q.touches() {
			return place{node: q.node, inArray: true}
		}
	}
	return p
}

// walk follows a path, with or without the parts that are positions in arrays.
func (n *Node) walk(path string, skip bool) place {
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, ".")
		if skip && positional(name) {
			continue
		}
		if n.field != nil {
			return place{node: n, beyond: true}
		}
		n = n.child(name)
	}
	return place{node: n}
}

// positional reports whether a part of a path is a position in an array.
func positional(name string) bool {
	if name == "" {
		return false
	}
	if name[0] == '$' {
		return true
	}
	return strings.Trim(name, "0123456789") == ""
}
