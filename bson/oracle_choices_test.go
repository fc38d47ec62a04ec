package bson_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// oracleTime is how long each random comparison with the official package runs.
// MGX_ORACLE_TIME sets it too, for runs that go through `go test work`.
var oracleTime = flag.Duration("oracle.time", 0, "how long each random comparison with the official bson package runs")

// oracleSeed replays one round of a random comparison, by the number that its
// failure printed.
var oracleSeed = flag.Int64("oracle.seed", -1, "the one round of the random comparisons to run")

// rounds calls f with the numbers of the rounds to run: as many as count where
// no time is given, else as many as fit.
func rounds(t *testing.T, count int, f func(seed uint64)) {
	t.Helper()
	limit := *oracleTime
	if s := os.Getenv("MGX_ORACLE_TIME"); limit == 0 && s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("MGX_ORACLE_TIME: %v", err)
		}
		limit = d
	}
	if *oracleSeed >= 0 {
		f(uint64(*oracleSeed))
		return
	}
	if testing.Short() || raceEnabled { // which takes ten times as long; .ci/run runs all without it, too
		count /= 10
	}
	start := time.Now()
	for seed := uint64(0); ; seed++ {
		if limit > 0 && time.Since(start) > limit || limit == 0 && seed >= uint64(count) {
			return
		}
		f(seed)
		if t.Failed() {
			t.Fatalf("round %d failed; run it alone with -oracle.seed=%d", seed, seed)
		}
	}
}

// choices makes the random decisions of one round. What a fuzzer hands in is
// used first, a byte or two for each decision, so that a small change of the
// input is a small change of the case; after that, and where there is no input,
// decisions come from a generator with a fixed seed.
type choices struct {
	data []byte
	rest *rand.Rand
}

func seeded(seed uint64) *choices {
	return &choices{rest: rand.New(rand.NewPCG(seed, 0x6d6778))}
}

func fromBytes(data []byte) *choices {
	h := fnv.New64a()
	h.Write(data)
	c := seeded(h.Sum64())
	c.data = data
	return c
}

// n returns a number in [0,n).
func (c *choices) n(n int) int {
	switch {
	case n <= 1:
		return 0
	case len(c.data) == 0:
		return c.rest.IntN(n)
	case n <= 256 || len(c.data) == 1:
		b := c.data[0]
		c.data = c.data[1:]
		return int(b) % n
	default:
		u := int(c.data[0])<<8 | int(c.data[1])
		c.data = c.data[2:]
		return u % n
	}
}

func (c *choices) uint64() uint64 {
	var u uint64
	for range 8 {
		u = u<<8 | uint64(c.n(256))
	}
	return u
}

// oneIn reports true once in n times.
func (c *choices) oneIn(n int) bool { return c.n(n) == n-1 }

func pick[T any](c *choices, from []T) T { return from[c.n(len(from))] }

// bytes returns up to limit random bytes; nil now and then.
func (c *choices) bytes(limit int) []byte {
	if c.oneIn(6) {
		return nil
	}
	b := make([]byte, c.n(limit+1))
	for i := range b {
		b[i] = byte(c.n(256))
	}
	return b
}

var someStrings = []string{
	"", "a", "tea", "0", "-17", "3.5", "true", "2024-02-29T12:30:45.123Z", "507f1f77bcf86cd799439011",
	"twelve bytes", "with\x00nul", "grüße", "日本語", "😀", "\u2028", "http://example.com/a?b=c#d",
	"a rather longer string, longer than what fits beside a header in one cache line of the machine",
}

func (c *choices) string() string {
	if c.oneIn(8) {
		return strconv.FormatUint(c.uint64(), 36)
	}
	return pick(c, someStrings)
}

var someInts = []int64{
	0, 1, -1, 7, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769, 65535, 65536,
	1<<31 - 1, 1 << 31, -1 << 31, -1<<31 - 1, 1<<32 - 1, 1 << 32, 1<<53 + 1, 1<<63 - 1, -1 << 63,
	1700000000123, -62135596800000,
}

func (c *choices) int64() int64 {
	if c.oneIn(6) {
		return int64(c.uint64())
	}
	return pick(c, someInts)
}

// keys are what fields and elements are called. Few, so that documents and
// structs that were made apart from each other still meet.
var keys = []string{"a", "b", "c", "d", "ab", "id", "_id", "name", "x1", "ünï"}

var oddKeys = []string{
	"", "A", "ID", "Name", "-", "a.b", "$set", "0", "1", "10", "key", "value", "ÜNÏ", "omitempty", "a b", "507f1f77bcf86cd799439011",
	"2024-02-29T12:30:45.123Z", "k:a", "300", "-5", "a key that is a good deal longer than the others, past sixty-four bytes in all",
}

func (c *choices) key() string {
	if c.oneIn(5) {
		return pick(c, oddKeys)
	}
	return pick(c, keys)
}

func TestChoicesUseTheirInput(t *testing.T) {
	a, b := fromBytes([]byte{1, 2, 3}), fromBytes([]byte{1, 2, 4})
	if got := fmt.Sprint(a.n(10), a.n(10), b.n(10), b.n(10)); got != "1 2 1 2" {
		t.Errorf("the decisions from a common start are %s, want 1 2 1 2", got)
	}
	if a.n(256) != 3 || b.n(256) != 4 {
		t.Error("the last byte of the input does not decide")
	}
	first, again, other := seeded(5).uint64(), seeded(5).uint64(), seeded(6).uint64()
	if first != again || first == other {
		t.Error("a seed does not decide what follows")
	}
}
