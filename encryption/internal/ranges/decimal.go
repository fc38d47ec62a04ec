package ranges

import (
	"fmt"
	"math/big"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// exponentBias is what is added to the exponents of decimals: the least exponent is -exponentBias.
const exponentBias = -bson.MinDecimal128Exp

var (
	one = big.NewInt(1)
	ten = big.NewInt(10)
	// maxCoefficient is the largest coefficient of a decimal: 34 nines.
	maxCoefficient = new(big.Int).Sub(pow10(34), one)
	int128Max      = new(big.Int).Sub(new(big.Int).Lsh(one, 127), one)
	uint128Max     = new(big.Int).Sub(new(big.Int).Lsh(one, 128), one)
)

func pow10(n int) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(n)), nil) }

// decimals are in the order of how large they are, by exponent and digits; or with a precision, of the integers that
// remain of them.
func (d *Domain) decimals(o Options) (uint128, error) {
	if o.Min.IsZero() != (o.Precision == nil) {
		return uint128{}, errPrecision
	}
	if o.Precision == nil {
		d.encode = func(v bsonwire.Value) (uint128, error) {
			coefficient, exponent, err := decimal(v)
			if err != nil {
				return uint128{}, err
			}
			return decimalPlace(coefficient, exponent), nil
		}
		return uint128{hi: ^uint64(0), lo: ^uint64(0)}, nil
	}
	precision := int(*o.Precision)
	least, bits, err := decimalBits(o.Min, o.Max, precision)
	if err != nil {
		return uint128{}, err
	}
	d.encode = func(v bsonwire.Value) (uint128, error) {
		if above, err := compare(v, o.Max); err != nil || above > 0 {
			return uint128{}, decimalOutside(err, o)
		}
		if below, err := compare(v, o.Min); err != nil || below < 0 {
			return uint128{}, decimalOutside(err, o)
		}
		scaled, _, err := scale(v, precision)
		if err != nil {
			return uint128{}, err
		}
		return fromBig(scaled.Sub(scaled, least)), nil
	}
	return fromBig(new(big.Int).Sub(new(big.Int).Lsh(one, uint(bits)), one)), nil
}

func decimalOutside(err error, o Options) error {
	if err != nil {
		return err
	}
	least, _ := o.Min.AsDecimal128()
	most, _ := o.Max.AsDecimal128()
	return outside(least, most)
}

func decimal(v bsonwire.Value) (coefficient *big.Int, exponent int, err error) {
	d, ok := v.AsDecimal128()
	if ok {
		coefficient, exponent, err = d.BigInt()
	}
	if !ok || err != nil {
		return nil, 0, fmt.Errorf("infinities and NaN cannot be queried by range")
	}
	if coefficient.CmpAbs(maxCoefficient) > 0 {
		coefficient.SetInt64(0) // not a canonical decimal: such stand for zero
	}
	return coefficient, exponent, nil
}

// decimalPlace is the place of a decimal among all decimals. The digits are first moved as far to the left as they go,
// so that equal numbers have equal places.
func decimalPlace(coefficient *big.Int, exponent int) uint128 {
	place := new(big.Int).Lsh(one, 127)
	if coefficient.Sign() == 0 {
		return fromBig(place)
	}
	digits := new(big.Int).Abs(coefficient)
	biased := exponent + exponentBias
	for limit := new(big.Int).Quo(maxCoefficient, ten); biased > 0 && digits.Cmp(limit) < 0; biased-- {
		digits.Mul(digits, ten)
	}
	digits.Add(digits, new(big.Int).Mul(maxCoefficient, big.NewInt(int64(biased))))
	if coefficient.Sign() < 0 {
		return fromBig(place.Sub(place, digits))
	}
	return fromBig(place.Add(place, digits))
}

// compare orders two decimals.
func compare(a, b bsonwire.Value) (int, error) {
	x, ex, err := decimal(a)
	if err != nil {
		return 0, err
	}
	y, ey, err := decimal(b)
	if err != nil {
		return 0, err
	}
	if x.Sign() == 0 || y.Sign() == 0 || x.Sign() != y.Sign() {
		return x.Sign() - y.Sign(), nil
	}
	p, q := decimalPlace(x, ex).big(), decimalPlace(y, ey).big()
	return p.Cmp(q), nil
}

// scale returns v times ten to the power of precision, without what is behind the point, and whether nothing was there.
func scale(v bsonwire.Value, precision int) (*big.Int, bool, error) {
	coefficient, exponent, err := decimal(v)
	if err != nil {
		return nil, false, err
	}
	exponent += precision
	switch {
	case coefficient.Sign() == 0:
		return coefficient, true, nil
	case exponent > 40: // more than 128 bits
		return nil, false, fmt.Errorf("it is too large")
	case exponent >= 0:
		return coefficient.Mul(coefficient, pow10(exponent)), true, nil
	}
	var rest big.Int
	coefficient.QuoRem(coefficient, pow10(-exponent), &rest)
	return coefficient, rest.Sign() == 0, nil
}

// decimalBits is the number of bits that the decimals of a range need, counted in steps of the precision, and the
// smallest of them in steps.
func decimalBits(min, max bsonwire.Value, precision int) (*big.Int, int, error) {
	refuse := func(why string) (*big.Int, int, error) {
		least, _ := min.AsDecimal128()
		most, _ := max.AsDecimal128()
		return nil, 0, fmt.Errorf("a range of decimals from %v to %v in steps of %d decimal digits is not possible: %s", least, most, precision, why)
	}
	if precision < 0 || precision > 255 {
		return refuse("the precision is negative, or too large")
	}
	bottom, whole1, err := scale(min, precision)
	if err != nil {
		return refuse(err.Error())
	}
	top, whole2, err := scale(max, precision)
	switch {
	case err != nil:
		return refuse(err.Error())
	case !whole1 || !whole2:
		return refuse("the bounds have more digits than the precision")
	case bottom.Cmp(top) >= 0:
		return refuse("min is not less than max")
	case bottom.CmpAbs(int128Max) > 0 || top.CmpAbs(int128Max) > 0:
		return refuse("the bounds have too many digits")
	}
	steps := new(big.Int).Sub(top, bottom)
	// floor(log10(what is left of 128 bits)) - 1 digits, at most
	if left := new(big.Int).Sub(uint128Max, steps); left.Sign() <= 0 || precision > len(left.String())-2 {
		return refuse("the precision is too large")
	}
	bits := steps.Add(steps, pow10(precision)).Sub(steps, one).BitLen()
	if bits >= 128 {
		return refuse("its values need 128 bits or more")
	}
	return bottom, bits, nil
}
