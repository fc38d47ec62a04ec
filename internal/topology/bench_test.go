package topology

import (
	"context"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/sdam"
)

func BenchmarkSelect(b *testing.B) {
	nearest := sdam.Selection{ReadPreference: &sdam.ReadPreference{Mode: sdam.Nearest}, LocalThreshold: time.Second}
	for _, c := range []struct {
		name  string
		seeds []string
		q     *sdam.Selection
	}{
		{"standalone", []string{"s:1"}, &write},
		{"primary", []string{"a:1", "b:1", "c:1"}, &write},
		{"nearest", []string{"a:1", "b:1", "c:1"}, &nearest},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := newNetwork()
			n.add("s:1", standaloneHello())
			n.replicaSet("a:1", "b:1", "c:1")
			top := New(config(n, c.seeds...))
			top.Connect()
			defer func() { _ = top.Close(context.Background()) }()
			time.Sleep(50 * time.Millisecond) // every member has answered
			b.ReportAllocs()
			for b.Loop() {
				if _, err := top.Select(context.Background(), c.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
