package compress

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func all(t testing.TB) []Compressor {
	t.Helper()
	list := []Compressor{noopCompressor{}}
	for name, levels := range map[string][]int{Snappy: {100}, Zstd: {-1, 0, 1, 3, 7, 22}} {
		for _, level := range levels {
			c, err := New(name, level)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, c)
		}
	}
	for level := -1; level <= 9; level++ {
		c, err := New(Zlib, level)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

// samples are messages of several sizes, from one that compresses best to one
// that does not.
func samples() map[string][]byte {
	r := rand.New(rand.NewChaCha8([32]byte{1}))
	random := make([]byte, 150_000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	return map[string][]byte{
		"empty":  {},
		"byte":   {42},
		"text":   []byte(strings.Repeat("the quick brown fox jumps over the lazy dog ", 1000)),
		"zeros":  make([]byte, 300_000), // more than a block of any of them
		"random": random,
	}
}

func TestRoundTrip(t *testing.T) {
	for name, src := range samples() {
		for _, c := range all(t) {
			packed, err := c.Compress([]byte("before"), src)
			if err != nil {
				t.Fatalf("%s %s: %v", name, c.Name(), err)
			}
			packed, ok := bytes.CutPrefix(packed, []byte("before"))
			if !ok {
				t.Fatalf("%s %s: Compress does not append", name, c.Name())
			}
			other, err := ByID(c.ID())
			if err != nil {
				t.Fatal(err)
			}
			got, err := other.Decompress([]byte("before"), packed, len(src))
			if err != nil {
				t.Errorf("%s %s: %v", name, c.Name(), err)
			} else if string(got[:6]) != "before" || !bytes.Equal(got[6:], src) {
				t.Errorf("%s %s: %d bytes became %d others", name, c.Name(), len(src), len(got))
			}
			// Other sizes are errors, whatever room there is.
			for _, size := range []int{len(src) - 1, len(src) + 1, 0, -1, 2*len(src) + 100} {
				if size == len(src) {
					continue
				}
				room := make([]byte, 3, 3+2*len(src)+200)
				if got, err := other.Decompress(room, packed, size); !errors.Is(err, ErrCorrupt) || len(got) != 3 {
					t.Errorf("%s %s: %d bytes of %d: %d bytes, %v", name, c.Name(), size, len(src), len(got), err)
				}
			}
		}
	}
}

// Streams that others made: Python's zlib, the zstd command, and by hand after
// snappy's format description (a literal of 8 bytes, a copy of 15).
func TestForeignStreams(t *testing.T) {
	const text = "mongodb mongodb mongodb"
	for _, test := range []struct {
		id   byte
		data string
	}{
		{zlibID, "789ccbcdcf4bcf4f4952c845a5016c1108f3"},
		{zstdID, "28b52ffd2417750000406d6f6e676f6462200100eb0a171c6e7b08"},
		{snappyID, "171c" + "6d6f6e676f646220" + "3a0800"},
	} {
		data, err := hex.DecodeString(test.data)
		if err != nil {
			t.Fatal(err)
		}
		c, _ := ByID(test.id)
		if got, err := c.Decompress(nil, data, len(text)); err != nil || string(got) != text {
			t.Errorf("%s: %q, %v", c.Name(), got, err)
		}
	}
}

func TestCorruptStreams(t *testing.T) {
	src := []byte(strings.Repeat("some text that compresses well ", 50))
	for _, c := range all(t)[1:] {
		packed, err := c.Compress(nil, src)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range packed {
			if _, err := c.Decompress(nil, packed[:cut], len(src)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s cut to %d of %d: %v", c.Name(), cut, len(packed), err)
			}
		}
		if _, err := c.Decompress(nil, append(slices.Clone(packed), "garbage"...), len(src)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s with garbage behind it: %v", c.Name(), err)
		}
		if c.ID() == snappyID {
			continue // has no checksum
		}
		flipped := slices.Clone(packed)
		flipped[len(flipped)-1] ^= 1
		if _, err := c.Decompress(nil, flipped, len(src)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s with a wrong checksum: %v", c.Name(), err)
		}
		// What failed leaves nothing behind in the pools.
		if got, err := c.Decompress(nil, packed, len(src)); err != nil || !bytes.Equal(got, src) {
			t.Errorf("%s after errors: %v", c.Name(), err)
		}
	}
}

// Bombs announce little and hold much, or hold little and announce much.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 4<<20)
	for _, c := range all(t)[1:] {
		if c.Name() == Zlib && c.(zlibCompressor).level < 9 {
			continue
		}
		packed, err := c.Compress(nil, zeros)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Decompress(nil, packed, len(zeros)); err != nil || !bytes.Equal(got, zeros) {
			t.Errorf("%s: the best compression is refused: %v", c.Name(), err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			if _, err := c.Decompress(nil, packed, 1000); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", c.Name(), err)
			}
			// Four bytes are never worth 48 MB.
			if _, err := c.Decompress(nil, packed[:4], 48_000_000); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", c.Name(), err)
			}
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%s: bombs made it allocate %d bytes", c.Name(), n)
		}
	}
	// A snappy stream may lie about its own length.
	lie := append(binary.AppendUvarint(nil, 48_000_000), 0, 'x')
	if _, err := (snappyCompressor{}).Decompress(nil, lie, 48_000_000); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	// zstd frames may ask for a window of gigabytes.
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 1, 0, 0}
	if _, err := (zstdCompressor{}).Decompress(nil, frame, 100); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func TestConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	list := all(t) // as the connections of a client share them
	for i := range 4 {
		src := []byte(strings.Repeat(fmt.Sprint("message ", i), 200))
		wg.Go(func() {
			for _, c := range list {
				for range 3 {
					packed, err := c.Compress(nil, src)
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := c.Decompress(nil, packed, len(src)); err != nil || !bytes.Equal(got, src) {
						t.Errorf("%s: %v", c.Name(), err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestZlibLevels(t *testing.T) {
	src := samples()["text"]
	size := map[int]int{}
	for level := -1; level <= 9; level++ {
		c, _ := New(Zlib, level)
		packed, err := c.Compress(nil, src)
		if err != nil {
			t.Fatal(err)
		}
		size[level] = len(packed)
		var want bytes.Buffer
		w, _ := zlib.NewWriterLevel(&want, level)
		w.Write(src)
		w.Close()
		if !bytes.Equal(packed, want.Bytes()) {
			t.Errorf("level %d differs from zlib's", level)
		}
	}
	if size[0] <= len(src) || size[9] >= size[1] || size[-1] != size[6] {
		t.Errorf("sizes by level: %v", size)
	}
	for _, level := range []int{-2, 10} {
		if c, err := New(Zlib, level); c != nil || err == nil || !strings.Contains(err.Error(), "zlibCompressionLevel") {
			t.Errorf("level %d: %v, %v", level, c, err)
		}
	}
}

func TestZstdLevels(t *testing.T) {
	src := bytes.Repeat(samples()["text"], 3)
	size := map[int]int{}
	for _, level := range []int{-1, 1, 3, 22} {
		c, err := New(Zstd, level)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := c.Compress(nil, src)
		if err != nil {
			t.Fatal(err)
		}
		size[level] = len(packed)
	}
	if size[1] < size[22] || size[-1] != size[3] || size[1] == size[22] {
		t.Errorf("sizes by level: %v", size)
	}
	for _, level := range []int{-2, 23} {
		if c, err := New(Zstd, level); c != nil || err == nil || !strings.Contains(err.Error(), "zstdCompressionLevel") {
			t.Errorf("level %d: %v, %v", level, c, err)
		}
	}
}

func TestNegotiate(t *testing.T) {
	list, err := NewList([]string{Zstd, Snappy, Zstd, Zlib}, map[string]int{Zstd: 22})
	if err != nil || len(list) != 3 || list[0].Name() != Zstd || list[1].Name() != Snappy || list[2].Name() != Zlib {
		t.Fatalf("%v, %v", list, err)
	}
	for _, test := range []struct {
		server []string
		want   string
	}{
		{nil, ""},
		{[]string{"brotli"}, ""},
		{[]string{"zlib"}, Zlib},
		{[]string{"zlib", "snappy"}, Snappy},
		{[]string{"snappy", "zlib", "zstd"}, Zstd},
	} {
		got := ""
		if c := Negotiate(list, test.server); c != nil {
			got = c.Name()
		}
		if got != test.want {
			t.Errorf("server has %v: %q, want %q", test.server, got, test.want)
		}
	}
	if Negotiate(nil, []string{"zstd"}) != nil {
		t.Error("a client without compressors negotiates one")
	}
	for _, name := range []string{"", "noop", "gzip", "SNAPPY"} {
		if _, err := NewList([]string{Zlib, name}, map[string]int{Zlib: 6}); err == nil || !strings.Contains(err.Error(), "compressors") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for id := range 256 {
		c, err := ByID(byte(id))
		if (err == nil) != (id < 4) || err == nil && c.ID() != byte(id) {
			t.Errorf("number %d: %v, %v", id, c, err)
		}
	}
}

func TestAllowed(t *testing.T) {
	for _, name := range []string{"hello", "isMaster", "ismaster", "saslStart", "saslContinue", "getnonce", "authenticate",
		"createUser", "updateUser", "copydbSaslStart", "copydbgetnonce", "copydb"} {
		if Allowed(name) {
			t.Errorf("%s may be compressed", name)
		}
	}
	for _, name := range []string{"find", "insert", "getMore", "ping", "usersInfo", "dropUser", ""} {
		if !Allowed(name) {
			t.Errorf("%s may not be compressed", name)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	src := []byte(strings.Repeat("fuzz", 100))
	for _, c := range all(f) {
		packed, _ := c.Compress(nil, src)
		f.Add(c.ID(), packed, len(src))
	}
	bomb, _ := zstdCompressor{}.Compress(nil, make([]byte, 1<<20))
	f.Add(byte(zstdID), bomb, 1000)
	f.Fuzz(func(t *testing.T, id byte, data []byte, size int) {
		c, err := ByID(id)
		if err != nil || size > 1<<20 {
			return
		}
		got, err := c.Decompress([]byte("before"), data, size)
		switch {
		case string(got[:6]) != "before":
			t.Errorf("%s overwrites: %q", c.Name(), got[:6])
		case err != nil && (!errors.Is(err, ErrCorrupt) || len(got) != 6):
			t.Errorf("%s: %d bytes, %v", c.Name(), len(got), err)
		case err == nil && len(got) != 6+size:
			t.Errorf("%s: %d bytes of %d", c.Name(), len(got)-6, size)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, src := range samples() {
		f.Add(src[:min(len(src), 1000)])
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for id := range byte(4) {
			c, _ := ByID(id)
			packed, err := c.Compress(nil, src)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Decompress(nil, packed, len(src)); err != nil || !bytes.Equal(got, src) {
				t.Errorf("%s: %v", c.Name(), err)
			}
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	src := samples()["text"][:10_000]
	for id := range byte(4) {
		c, _ := ByID(id)
		packed, _ := c.Compress(nil, src)
		b.Run("compress/"+c.Name(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			dst := make([]byte, 0, 2*len(src))
			for b.Loop() {
				c.Compress(dst, src)
			}
		})
		b.Run("decompress/"+c.Name(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			dst := make([]byte, 0, 2*len(src))
			for b.Loop() {
				c.Decompress(dst, packed, len(src))
			}
		})
	}
}
