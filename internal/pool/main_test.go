package pool

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run when goroutines of this package are left over.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leftover(); left != "" {
			os.Stderr.WriteString("goroutines left over:\n" + left + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// leftover returns the stacks of goroutines that run the package's code, after
// giving them a moment to end.
func leftover() string {
	var stacks []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
		stacks = stacks[:0]
		for _, stack := range all[1:] { // the first is this one
			if strings.Contains(stack, "mgx/internal/pool.") {
				stacks = append(stacks, stack)
			}
		}
		if len(stacks) == 0 {
			return ""
		}
	}
	return strings.Join(stacks, "\n\n")
}
