package unified

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// threadPatience is how long the end of a thread is waited for.
const threadPatience = 10 * time.Second

// thread runs operations in their order, beside the test's own.
type thread struct {
	work chan func() error
	done chan struct{}
	once sync.Once
	errs []error // readable when done is closed
}

func newThread() *thread {
	t := &thread{work: make(chan func() error, 100), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		for f := range t.work {
			if err := f(); err != nil {
				t.errs = append(t.errs, err)
			}
		}
	}()
	return t
}

func (t *thread) finish() { t.once.Do(func() { close(t.work) }) }

// wait waits for the end of all that the thread was given, and returns what
// failed.
func (t *thread) wait(ctx context.Context) error {
	t.finish()
	timer := time.NewTimer(threadPatience)
	defer timer.Stop()
	select {
	case <-t.done:
		return errors.Join(t.errs...)
	case <-timer.C:
		return fmt.Errorf("the thread has not ended within %v", threadPatience)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
