package pool

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/event"
)

func BenchmarkCheckOutIn(b *testing.B) {
	run := func(name string, opts fakeOptions) {
		b.Run(name, func(b *testing.B) {
			var s fakeServer
			opts.Dial = s.dial
			p := newPool(b, opts)
			ctx := context.Background()
			checkIn(b, checkOut(b, p))
			b.ReportAllocs()
			for b.Loop() {
				l, err := p.CheckOut(ctx)
				if err != nil {
					b.Fatal(err)
				}
				_ = p.CheckIn(l)
			}
		})
	}
	run("plain", fakeOptions{MaxSize: 100})
	run("maxIdle", fakeOptions{MaxSize: 100, MaxIdleTime: time.Minute})
	run("events", fakeOptions{MaxSize: 100, Events: func(event.PoolEvent) {}})
}

// BenchmarkCheckOutInParallel has 64 goroutines at 100 connections, so that
// nobody waits, and at 16, so that most do.
func BenchmarkCheckOutInParallel(b *testing.B) {
	for _, size := range []int{100, 16} {
		b.Run(fmt.Sprintf("64on%d", size), func(b *testing.B) {
			const goroutines = 64
			var s fakeServer
			p := newPool(b, fakeOptions{Dial: s.dial, MaxSize: size, MaxConnecting: size})
			b.SetParallelism((goroutines + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				ctx := context.Background()
				for pb.Next() {
					l, err := p.CheckOut(ctx)
					if err != nil {
						b.Error(err)
						return
					}
					if size < goroutines {
						runtime.Gosched() // an operation takes its time
					}
					_ = p.CheckIn(l)
				}
			})
		})
	}
}

// BenchmarkMutex is what two uncontended locks and two clock readings cost, to
// compare with.
func BenchmarkMutex(b *testing.B) {
	var mu sync.Mutex
	locked := 0
	epoch := time.Now()
	for b.Loop() {
		for range 2 {
			_ = time.Since(epoch)
			mu.Lock()
			locked++
			mu.Unlock()
		}
	}
}

func BenchmarkCancelledWait(b *testing.B) {
	var s fakeServer
	p := newPool(b, fakeOptions{Dial: s.dial, MaxSize: 1})
	l := checkOut(b, p)
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		if _, err := p.CheckOut(ctx); err == nil {
			b.Fatal("no error")
		}
	}
	checkIn(b, l)
}
