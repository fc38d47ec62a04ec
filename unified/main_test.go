package unified_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// parallel is how many suites run at a time. They wait more than they work.
const parallel = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(parallel)
	}
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines were left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the goroutines of the client, the runner and the simulated
// servers that go on after the tests. They get a moment to end.
func leaked() string {
	var left []string
	for range 50 {
		left = nil
		buf := make([]byte, 4<<20)
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "mgxdb/mgx") && !strings.Contains(g, "unified_test.leaked") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return strings.Join(left, "\n\n")
}

func readFile(name string) (string, error) {
	data, err := os.ReadFile(name)
	return string(data), err
}
