package analyse

import "math/big"

// compareScaled compares x·10^xe with y·10^ye.
func compareScaled(x *big.Int, xe int, y *big.Int, ye int) int {
	if x.Sign() != y.Sign() {
		return x.Sign() - y.Sign()
	}
	scale := func(n *big.Int, by int) *big.Int {
		return new(big.Int).Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(by)), nil))
	}
	switch {
	case x.Sign() == 0:
		return 0
	case xe > ye:
		return scale(x, xe-ye).Cmp(y)
	case ye > xe:
		return x.Cmp(scale(y, ye-xe))
	}
	return x.Cmp(y)
}
