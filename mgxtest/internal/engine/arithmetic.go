package engine

import (
	"math"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/bson/primitive"
)

func init() {
	for name, fn := range map[string]func(float64) float64{
		"$exp": math.Exp, "$sin": math.Sin, "$cos": math.Cos, "$tan": math.Tan, "$asin": math.Asin, "$acos": math.Acos, "$atan": math.Atan,
		"$sinh": math.Sinh, "$cosh": math.Cosh, "$tanh": math.Tanh, "$asinh": math.Asinh, "$acosh": math.Acosh, "$atanh": math.Atanh,
		"$degreesToRadians": func(f float64) float64 { return f * math.Pi / 180 }, "$radiansToDegrees": func(f float64) float64 { return f * 180 / math.Pi },
	} {
		functions[name] = &function{1, 1, real(name, fn)}
	}
	functions["$sqrt"] = &function{1, 1, real("$sqrt", positive(28714, "$sqrt's argument must be greater than or equal to 0", false, math.Sqrt))}
	functions["$ln"] = &function{1, 1, real("$ln", positive(28766, "$ln's argument must be a positive number", true, math.Log))}
	functions["$log10"] = &function{1, 1, real("$log10", positive(28761, "$log10's argument must be a positive number", true, math.Log10))}
	functions["$log"] = &function{2, 2, logarithm}
	functions["$atan2"] = &function{2, 2, reals("$atan2", math.Atan2)}
	functions["$pow"] = &function{2, 2, power}
	functions["$round"] = &function{1, 2, toPlaces("$round", math.RoundToEven)}
	functions["$trunc"] = &function{1, 2, toPlaces("$trunc", math.Trunc)}
	functions["$rand"] = &function{0, 1, func([]any) (any, error) { return rand.Float64(), nil }}
	functions["$bitAnd"] = bitwise("$bitAnd", -1, func(a, b int64) int64 { return a & b })
	functions["$bitOr"] = bitwise("$bitOr", 0, func(a, b int64) int64 { return a | b })
	functions["$bitXor"] = bitwise("$bitXor", 0, func(a, b int64) int64 { return a ^ b })
	functions["$bitNot"] = &function{1, 1, func(a []any) (any, error) {
		switch t := a[0].(type) {
		case int32:
			return ^t, nil
		case int64:
			return ^t, nil
		}
		if isNull(a[0]) {
			return nil, nil
		}
		return nil, Errorf(28765, "$bitNot only supports int and long, not: %s", typeName(a[0]))
	}}
}

// domainError is what a function of numbers panics with, as it has no way to return it.
type domainError struct{ err error }

func positive(code int32, text string, strictly bool, fn func(float64) float64) func(float64) float64 {
	return func(f float64) float64 {
		if f < 0 || strictly && f == 0 {
			panic(domainError{Errorf(code, "%s, but is %v", text, f)})
		}
		return fn(f)
	}
}

// real makes a function of one number. Null gives null.
func real(op string, fn func(float64) float64) func([]any) (any, error) {
	return func(a []any) (v any, err error) {
		if isNull(a[0]) {
			return nil, nil
		}
		if !isNumber(a[0]) {
			return nil, Errorf(28765, "%s only supports numeric types, not %s", op, typeName(a[0]))
		}
		defer func() {
			if p := recover(); p != nil {
				d, ok := p.(domainError)
				if !ok {
					panic(p)
				}
				v, err = nil, d.err
			}
		}()
		return fn(toFloat(a[0])), nil
	}
}

func reals(op string, fn func(a, b float64) float64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		if isNull(a[0]) || isNull(a[1]) {
			return nil, nil
		}
		if !isNumber(a[0]) || !isNumber(a[1]) {
			return nil, Errorf(28765, "%s only supports numeric types, not %s and %s", op, typeName(a[0]), typeName(a[1]))
		}
		return fn(toFloat(a[0]), toFloat(a[1])), nil
	}
}

func logarithm(a []any) (any, error) {
	if isNull(a[0]) || isNull(a[1]) {
		return nil, nil
	}
	switch n, base := toFloat(a[0]), toFloat(a[1]); {
	case !isNumber(a[0]) || !isNumber(a[1]):
		return nil, Errorf(28756, "$log's arguments must be numeric, not %s and %s", typeName(a[0]), typeName(a[1]))
	case n <= 0:
		return nil, Errorf(28758, "$log's argument must be a positive number, but is %v", n)
	case base <= 0 || base == 1:
		return nil, Errorf(28759, "$log's base must be a positive number not equal to 1, but is %v", base)
	default:
		return math.Log(n) / math.Log(base), nil
	}
}

// power keeps whole numbers whole where they fit.
func power(a []any) (any, error) {
	v, err := reals("$pow", math.Pow)(a)
	if err != nil || v == nil {
		return v, err
	}
	f := v.(float64)
	_, long1 := a[0].(int64)
	_, long2 := a[1].(int64)
	_, int1 := a[0].(int32)
	_, int2 := a[1].(int32)
	if !(long1 || int1) || !(long2 || int2) || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return f, nil
	}
	if !long1 && !long2 && math.Abs(f) < 1<<31 {
		return int32(f), nil
	}
	return int64(f), nil
}

// toPlaces rounds to a number of decimal places, of which there may be less than none.
func toPlaces(op string, fn func(float64) float64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		if isNull(a[0]) || len(a) == 2 && isNull(a[1]) {
			return nil, nil
		}
		place := int64(0)
		if len(a) == 2 {
			var ok bool
			if place, ok = integer(a[1]); !ok || place < -20 || place > 100 {
				return nil, Errorf(51083, "cannot apply %s with precision value %v value must be in [-20, 100]", op, display(a[1]))
			}
		}
		scale := math.Pow(10, float64(place))
		apply := func(f float64) float64 {
			if scaled := f * scale; !math.IsInf(scaled, 0) {
				return fn(scaled) / scale
			}
			return f
		}
		switch t := a[0].(type) {
		case float64:
			return apply(t), nil
		case int32:
			if place < 0 {
				return int32(apply(float64(t))), nil
			}
			return t, nil
		case int64:
			if place < 0 {
				return int64(apply(float64(t))), nil
			}
			return t, nil
		case primitive.Decimal128:
			return convertDecimal(apply(toFloat(t)))
		}
		return nil, Errorf(51081, "%s only supports numeric types, not %s", op, typeName(a[0]))
	}
}

func bitwise(op string, unit int64, fn func(a, b int64) int64) *function {
	return &function{0, -1, func(args []any) (any, error) {
		acc, long := unit, false
		for _, v := range args {
			switch t := v.(type) {
			case int32:
				acc = fn(acc, int64(t))
			case int64:
				acc, long = fn(acc, t), true
			default:
				if isNull(v) {
					return nil, nil
				}
				return nil, Errorf(CodeTypeMismatch, "%s only supports int and long operands.", op)
			}
		}
		if long {
			return acc, nil
		}
		return int32(acc), nil
	}}
}
