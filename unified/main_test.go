package unified_test

import (
	"flag"
	"testing"

	"github.com/mgxdb/mgx/internal/leaktest"
)

// parallel is how many suites run at a time. They wait more than they work.
const parallel = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(parallel)
	}
	leaktest.Main(m)
}
