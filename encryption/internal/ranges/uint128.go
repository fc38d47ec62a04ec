package ranges

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// uint128 is an unsigned integer of 128 bits.
type uint128 struct{ hi, lo uint64 }

func fromBig(i *big.Int) uint128 {
	var b [16]byte
	i.FillBytes(b[:])
	return uint128{hi: binary.BigEndian.Uint64(b[:8]), lo: binary.BigEndian.Uint64(b[8:])}
}

func (u uint128) big() *big.Int {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], u.hi)
	binary.BigEndian.PutUint64(b[8:], u.lo)
	return new(big.Int).SetBytes(b[:])
}

func (u uint128) bitLen() int {
	if u.hi != 0 {
		return 64 + bits.Len64(u.hi)
	}
	return bits.Len64(u.lo)
}

func (u uint128) bit(i int) byte {
	if i >= 64 {
		return byte(u.hi >> (i - 64) & 1)
	}
	return byte(u.lo >> i & 1)
}

func (u uint128) less(v uint128) bool { return u.hi < v.hi || u.hi == v.hi && u.lo < v.lo }

// plus adds 1 or, as -1, subtracts it.
func (u uint128) plus(n int) uint128 {
	lo, carry := bits.Add64(u.lo, uint64(n), 0)
	return uint128{hi: u.hi + uint64(int64(n)>>63) + carry, lo: lo}
}

// withBit sets a bit.
func (u uint128) withBit(i int) uint128 {
	if i >= 64 {
		u.hi |= 1 << (i - 64)
	} else {
		u.lo |= 1 << i
	}
	return u
}

// filled sets the lowest n bits.
func (u uint128) filled(n int) uint128 {
	switch {
	case n >= 128:
		return uint128{hi: ^uint64(0), lo: ^uint64(0)}
	case n >= 64:
		return uint128{hi: u.hi | (1<<(n-64) - 1), lo: ^uint64(0)}
	}
	return uint128{hi: u.hi, lo: u.lo | (1<<n - 1)}
}
