package setup

import (
	"math"
	"slices"
	"strings"
	"time"
)

// The defaults of connections and their pools. See the specification "Connection
// Monitoring and Pooling".
const (
	ConnectTimeout     = 10 * time.Second
	MaxPoolSize        = 100
	MaxConnecting      = 2
	MaxAdaptiveRetries = 2 // of the specification "Client Backpressure"
)

// MaxAppName is how many bytes of a name servers accept: see the specification
// "MongoDB Handshake".
const MaxAppName = 128

// The compressors and their levels.
const (
	Snappy = "snappy"
	Zlib   = "zlib"
	Zstd   = "zstd"

	DefaultLevel               = -1 // the compressor's own choice
	MinZlibLevel, MaxZlibLevel = -1, 9
	MinZstdLevel, MaxZstdLevel = -1, 22
)

// Compressors are the names that compressors takes.
var Compressors = []string{Snappy, Zlib, Zstd}

// Connections says how connections are made and kept. Zero is the default of each
// but for the pointers, whose nil is.
type Connections struct {
	AppName            string
	Compressors        []string
	ZlibLevel          *int
	ZstdLevel          *int
	MaxPoolSize        *int
	MinPoolSize        int
	MaxConnecting      int
	WaitQueueMultiple  int
	MaxAdaptiveRetries *int
}

// Check reports numbers out of their bounds, and names that are not known.
func (c *Connections) Check() *Error {
	if n := len(c.AppName); n > MaxAppName {
		return wrong("appName", "%d bytes are more than the %d that servers accept", n, MaxAppName)
	}
	for _, name := range c.Compressors {
		if !slices.Contains(Compressors, name) {
			return wrong("compressors", "%q is not known; it is one of %s", name, strings.Join(Compressors, ", "))
		}
	}
	if l := c.ZlibLevel; l != nil && (*l < MinZlibLevel || *l > MaxZlibLevel) {
		return wrong("zlibCompressionLevel", "%d is not between %d and %d", *l, MinZlibLevel, MaxZlibLevel)
	}
	if l := c.ZstdLevel; l != nil && (*l < MinZstdLevel || *l > MaxZstdLevel) {
		return wrong("zstdCompressionLevel", "%d is not between %d and %d", *l, MinZstdLevel, MaxZstdLevel)
	}
	return c.checkPool()
}

func (c *Connections) checkPool() *Error {
	most := MaxPoolSize
	if c.MaxPoolSize != nil {
		most = *c.MaxPoolSize
	}
	for _, number := range []struct {
		name  string
		value int
	}{
		{"maxPoolSize", most}, {"minPoolSize", c.MinPoolSize}, {"maxConnecting", c.MaxConnecting},
		{"waitQueueMultiple", c.WaitQueueMultiple}, {"maxAdaptiveRetries", orZero(c.MaxAdaptiveRetries)},
	} {
		if number.value < 0 || number.value > math.MaxInt32 {
			return wrong(number.name, "%d is not between 0 and %d", number.value, math.MaxInt32)
		}
	}
	if most != 0 && c.MinPoolSize > most {
		err := wrong("minPoolSize", "minPoolSize=%d is more than maxPoolSize=%d", c.MinPoolSize, most)
		err.Together = true
		return err
	}
	return nil
}

func orZero(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
