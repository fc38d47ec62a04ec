package connstring

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Type is what an option's value is.
type Type uint8

// The types of options.
const (
	// TypeString is text.
	TypeString Type = iota
	// TypeBool is true or false. 1, yes, y, t, on and 0, -1, no, n, f, off are read
	// with a warning, as are true and false in another case.
	TypeBool
	// TypeInt is a whole number of at most 32 bits.
	TypeInt
	// TypeDuration is a whole number of [OptionInfo.Unit].
	TypeDuration
	// TypeList is text separated by commas.
	TypeList
	// TypePairs is name:value, separated by commas. A comma in a value cannot be
	// written.
	TypePairs
	// TypeTagSet is name:value, separated by commas, or nothing, which any member
	// has. The option may be repeated: the first set that any member has counts.
	TypeTagSet
	// TypeW is a whole number or text.
	TypeW
)

// String returns the type as the documentation names it.
func (t Type) String() string {
	names := [...]string{"string", "boolean", "integer", "duration", "list", "name:value pairs", "tag set", "integer or string"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// OptionInfo documents one option.
type OptionInfo struct {
	// Name is the option's canonical name.
	Name string
	// Field is the field of [ConnString] that it fills.
	Field string
	// Type is what its value is.
	Type Type
	// Unit is "ms" or "s" for a number that is a time, else "".
	Unit string
	// Min and Max bound a number, both inclusive.
	Min, Max int64
	// Values are the values that a string may have; nil if any.
	Values []string
	// Default is what holds where the option is absent, in words.
	Default string
	// Meaning says what the option does, in one sentence.
	Meaning string
	// Classic is the name in the classic MongoClient, "" if it had none.
	Classic string
	// Aliases are the other names that are understood, with a warning unless
	// it is ssl.
	Aliases []string
	// ReplacedBy names the option to use instead of a deprecated one.
	ReplacedBy string
	// Secret reports whether the value must not be shown.
	Secret bool
	// Fatal reports whether an unusable value is an error, not a warning, as are an
	// empty one and different ones.
	Fatal bool
}

// AllOptions returns all options, ordered by subject. The caller may change the
// result.
func AllOptions() []OptionInfo {
	all := make([]OptionInfo, 0, len(table))
	for i := range table {
		info := table[i].OptionInfo
		info.Values, info.Aliases = slices.Clone(info.Values), slices.Clone(info.Aliases)
		all = append(all, info)
	}
	return all
}

// option is a row of the table.
type option struct {
	OptionInfo
	// parse replaces the parser of the type.
	parse func(c *ConnString, value string) error
	// decimal reports whether a duration may have a fraction.
	decimal bool
	// shared reports whether an earlier row owns the field.
	shared bool

	index []int // of the field
}

// field returns the field that the option fills.
func (o *option) field(c *ConnString) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(o.index)
}

// byName finds the row of a name, in lower case, canonical or not.
var byName = func() map[string]*option {
	names := make(map[string]*option, 2*len(table))
	fields := reflect.TypeFor[ConnString]()
	for i := range table {
		row := &table[i]
		field, ok := fields.FieldByName(row.Field)
		if !ok {
			panic("connstring: no field " + row.Field)
		}
		row.index = field.Index
		for _, name := range append([]string{row.Name}, row.Aliases...) {
			names[lower(name)] = row
		}
	}
	return names
}()

// lookup returns the row of a name in any case, or nil.
func lookup(name string) *option { return byName[lower(name)] }

// lower folds the letters A to Z only, as the specification asks.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
