// Package ranges makes numbers and dates findable by range, as Queryable Encryption does: a value becomes an unsigned
// integer in the order of the values, whose leading bits name the nodes of a binary tree. A stored value has tokens for
// the nodes on its way from the root to its leaf, its edges; a query for those few nodes whose leaves are just the
// values in its range, its cover.
package ranges

import (
	"fmt"
	"math"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Defaults of Options.
const (
	DefaultSparsity = 2
	// DefaultTrimFactor is less for domains of fewer bits.
	DefaultTrimFactor = 6
)

// Options are the properties of a field that queries go over by range.
type Options struct {
	// Min and Max are the bounds of all values; the zero Value is none. Integers and dates need both, doubles and
	// decimals exactly if they have a Precision.
	Min, Max bsonwire.Value
	// Precision is how many decimal digits behind the point count.
	Precision *int32
	// Sparsity is the distance of two levels with edges. 0 means DefaultSparsity.
	Sparsity int64
	// TrimFactor is the number of levels at the top without edges; nil means DefaultTrimFactor.
	TrimFactor *int32
}

// A Domain is the set of a field's values, in order.
type Domain struct {
	kind     bson.Type
	bits     int
	sparsity int64
	trim     int32
	// Encode returns the place of a value in the order; the smallest has 0.
	encode func(bsonwire.Value) (uint128, error)
}

// New returns the domain of a field's type.
func New(kind bson.Type, o Options) (*Domain, error) {
	if o.Min.IsZero() != o.Max.IsZero() {
		return nil, fmt.Errorf("a range has both bounds, min and max, or none")
	}
	for _, bound := range []bsonwire.Value{o.Min, o.Max} {
		if !bound.IsZero() && bound.Type != kind {
			return nil, fmt.Errorf("the range's bounds are of type %s, the value is of type %s", bound.Type, kind)
		}
	}
	d := &Domain{kind: kind, sparsity: o.Sparsity}
	var max uint128
	var err error
	switch kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDateTime:
		max, err = d.integers(o)
	case bson.TypeDouble:
		max, err = d.doubles(o)
	case bson.TypeDecimal128:
		max, err = d.decimals(o)
	default:
		return nil, fmt.Errorf("values of type %s cannot be queried by range: int, long, double, decimal and date can", kind)
	}
	if err != nil {
		return nil, err
	}
	d.bits = max.bitLen()
	return d, d.levels(o.TrimFactor)
}

// levels checks which levels of the tree have edges.
func (d *Domain) levels(trim *int32) error {
	if d.sparsity == 0 {
		d.sparsity = DefaultSparsity
	}
	if d.sparsity < 0 {
		return fmt.Errorf("the sparsity of a range is at least 1, not %d", d.sparsity)
	}
	d.trim = min(DefaultTrimFactor, int32(d.bits-1))
	if trim != nil {
		d.trim = *trim
	}
	if d.trim < 0 || d.trim != 0 && int(d.trim) >= d.bits {
		return fmt.Errorf("the trim factor is from 0 to %d, the number of bits of the range's values less one; it is %d", d.bits-1, d.trim)
	}
	return nil
}

// TrimFactor is the number of levels at the top without edges, default or not.
func (d *Domain) TrimFactor() int32 { return d.trim }

// Sparsity is the distance of two levels with edges, default or not.
func (d *Domain) Sparsity() int64 { return d.sparsity }

// place is the place of a value in the order.
func (d *Domain) place(v bsonwire.Value) (uint128, error) {
	if v.Type != d.kind {
		return uint128{}, fmt.Errorf("the range is one of %s, the value is of type %s", d.kind, v.Type)
	}
	return d.encode(v)
}

// outside does not say the value, which is a secret.
func outside(min, max any) error {
	return fmt.Errorf("the value must be greater than or equal to the minimum value %v and less than or equal to the maximum value %v of its range", min, max)
}

// integers are in order of themselves, from the smallest that there may be.
func (d *Domain) integers(o Options) (uint128, error) {
	if o.Min.IsZero() {
		return uint128{}, fmt.Errorf("a range of type %s needs its bounds, min and max", d.kind)
	}
	least, ok1 := integer(o.Min)
	most, ok2 := integer(o.Max)
	if !ok1 || !ok2 || least >= most {
		return uint128{}, fmt.Errorf("the range's min, %d, is not less than its max, %d", least, most)
	}
	d.encode = func(v bsonwire.Value) (uint128, error) {
		i, ok := integer(v)
		if !ok || i < least || i > most {
			return uint128{}, outside(least, most)
		}
		return uint128{lo: uint64(i) - uint64(least)}, nil
	}
	return uint128{lo: uint64(most) - uint64(least)}, nil
}

func integer(v bsonwire.Value) (int64, bool) {
	if v.Type == bson.TypeDateTime {
		return v.AsDateTime()
	}
	return v.AsInt64()
}

// doubles are in the order of their bits, or with a precision, of the integers that remain of them.
func (d *Domain) doubles(o Options) (uint128, error) {
	if o.Min.IsZero() != (o.Precision == nil) {
		return uint128{}, errPrecision
	}
	if o.Precision == nil {
		d.encode = func(v bsonwire.Value) (uint128, error) {
			f, err := finite(v)
			if err != nil {
				return uint128{}, err
			}
			if bits := math.Float64bits(math.Abs(f)); f < 0 {
				return uint128{lo: 1<<63 - bits}, nil
			} else {
				return uint128{lo: 1<<63 + bits}, nil
			}
		}
		return uint128{lo: math.MaxUint64}, nil
	}
	least, _ := o.Min.AsDouble()
	most, _ := o.Max.AsDouble()
	scale := math.Pow10(int(*o.Precision))
	bits, err := doubleBits(least, most, *o.Precision, scale)
	if err != nil {
		return uint128{}, err
	}
	d.encode = func(v bsonwire.Value) (uint128, error) {
		f, err := finite(v)
		if err != nil {
			return uint128{}, err
		}
		if f < least || f > most {
			return uint128{}, outside(least, most)
		}
		return uint128{lo: uint64(int64(math.Trunc(f*scale)) - int64(least*scale))}, nil
	}
	return uint128{lo: 1<<bits - 1}, nil
}

var errPrecision = fmt.Errorf("a range of doubles or decimals has min, max and precision, or none of them")

func finite(v bsonwire.Value) (float64, error) {
	f, ok := v.AsDouble()
	if !ok || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, fmt.Errorf("infinities and NaN cannot be queried by range")
	}
	return f, nil
}

// doubleBits is the number of bits that the doubles of a range need, counted in steps of the precision.
func doubleBits(least, most float64, precision int32, scale float64) (int, error) {
	const exact = 1 << 53 // whole numbers are exact as doubles up to here
	refuse := func(why string) (int, error) {
		return 0, fmt.Errorf("a range of doubles from %v to %v in steps of %d decimal digits is not possible: %s", least, most, precision, why)
	}
	top, bottom := most*scale, least*scale
	switch {
	case precision < 0 || math.IsInf(scale, 0):
		return refuse("the precision is negative, or too large")
	case !(least < most):
		return refuse("min is not less than max")
	case top != math.Trunc(top) || bottom != math.Trunc(bottom):
		return refuse("the bounds have more digits than the precision")
	case math.Abs(top) >= exact || math.Abs(bottom) >= exact:
		return refuse("the bounds have too many digits")
	case float64(precision) > math.Floor(math.Log10(math.MaxUint64-(top-bottom)))-1:
		return refuse("the precision is too large")
	}
	steps := uint64(int64(top) - int64(bottom))
	if uint64(scale) > math.MaxUint64-steps {
		return refuse("it has too many values")
	}
	// The values of a step at the end count, too. log2, rounded up:
	bits := uint128{lo: steps + uint64(scale) - 1}.bitLen()
	if bits >= 53 {
		return refuse("its values need 53 bits or more")
	}
	return bits, nil
}
