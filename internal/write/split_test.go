package write

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/exec"
)

var errBad = errors.New("bad")

// letters are statements of one letter each, repeated; one of size 0 cannot be encoded.
func letters(sizes ...int) *Split {
	return &Split{
		Total: len(sizes), Account: newAccount(len(sizes)), Ordered: true,
		Append: func(dst []byte, i int) ([]byte, error) {
			if sizes[i] == 0 {
				return nil, errBad
			}
			return append(dst, strings.Repeat(string(rune('a'+i)), sizes[i])...), nil
		},
	}
}

// sent runs it all, and returns the messages. Each is filled several times, as for
// retries.
func (s *Split) sent(t *testing.T, limits exec.Limits, res exec.Result, read func(string) bool) (messages []string) {
	t.Helper()
	err := s.Run(func() (exec.Result, error) {
		first, err := s.Fill([]byte("head:"), limits)
		for range 2 {
			again, other := s.Fill([]byte("head:"), limits)
			if string(again) != string(first) || !errors.Is(other, err) {
				t.Errorf("%q, then %q; %v, then %v", first, again, err, other)
			}
		}
		if err == nil {
			messages = append(messages, strings.TrimPrefix(string(first), "head:"))
		}
		return res, err
	}, func(exec.Result) bool { return read != nil && read(messages[len(messages)-1]) })
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// outcomes has a letter for each write.
func (a *Account) outcomes() string {
	var b strings.Builder
	for _, o := range a.Outcomes {
		b.WriteByte("-?srd"[o])
	}
	return b.String()
}

// Messages are cut by size and by count, and what cannot be sent takes nothing with it.
func TestSplit(t *testing.T) {
	roomy := exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 20}
	for _, c := range []struct {
		name                string
		sizes               []int
		limits              exec.Limits
		ordered, unordered  string // the messages
		outcomes, unOrdered string
	}{
		{"all fit", []int{2, 2}, roomy, "aabb", "aabb", "dd", "dd"},
		{"cut by size", []int{2, 2, 3, 2, 3}, exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 5}, "aabb cccdd eee", "aabb cccdd eee", "ddddd", "ddddd"},
		{"then by count", []int{4, 4, 1, 1, 1, 1}, exec.Limits{MaxDocument: 10, MaxBatch: 2, Room: 5}, "aaaa bbbbc de f", "aaaa bbbbc de f", "dddddd", "dddddd"},
		{"first bad", []int{0, 2, 2}, roomy, "", "bbcc", "r--", "rdd"},
		{"middle bad", []int{2, 0, 2}, roomy, "aa", "aacc", "dr-", "drd"},
		{"last bad", []int{2, 2, 0}, roomy, "aabb", "aabb", "ddr", "ddr"},
		{"one too large", []int{2, 11, 2}, roomy, "aa", "aacc", "dr-", "drd"},
		{"one too large for a message", []int{2, 8, 2}, exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 5}, "aa", "aa cc", "dr-", "drd"},
		{"all bad", []int{0, 11, 0}, roomy, "", "", "r--", "rrr"},
		{"bad ones at the cuts", []int{1, 0, 1, 0, 1, 0, 1}, exec.Limits{MaxDocument: 10, MaxBatch: 2, Room: 20}, "a", "ac eg", "dr-----", "drdrdrd"},
		{"bad after a cut", []int{3, 3, 0, 3}, exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 5}, "aaa bbb", "aaa bbb ddd", "ddr-", "ddrd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, ordered := range []bool{true, false} {
				messages, outcomes := c.ordered, c.outcomes
				if !ordered {
					messages, outcomes = c.unordered, c.unOrdered
				}
				s := letters(c.sizes...)
				s.Ordered = ordered
				if got := strings.Join(s.sent(t, c.limits, exec.Result{}, nil), " "); got != messages {
					t.Errorf("in order %v: sent %q, want %q", ordered, got, messages)
				}
				if got := s.Account.outcomes(); got != outcomes {
					t.Errorf("in order %v: %s, want %s", ordered, got, outcomes)
				}
				for _, r := range s.Account.Refusals {
					if s.Account.Outcomes[r.Index] != Refused || r.Err == nil {
						t.Errorf("write %d: %v", r.Index, r.Err)
					}
				}
				if n := strings.Count(outcomes, "r"); n != len(s.Account.Refusals) {
					t.Errorf("%d refusals, want %d", len(s.Account.Refusals), n)
				}
			}
		})
	}
}

// What a server says of its statements is said of the operation's writes, though some
// were left out, and writes of other commands stand between.
func TestPositions(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		s := letters(1, 0, 1, 1, 1)
		s.Account, s.Index, s.Ordered = newAccount(10), func(i int) int { return 2 * i }, ordered
		if ordered {
			s = letters(1, 1, 1, 1, 1)
			s.Account, s.Index = newAccount(10), func(i int) int { return 2 * i }
		}
		var said []int
		s.sent(t, exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 20}, exec.Result{}, func(string) bool {
			for k := -1; k < 6; k++ {
				if i, ok := s.Write(k); ok {
					said = append(said, i)
				}
			}
			s.Refuse(1)
			return ordered
		})
		want, outcomes, unanswered := []int{0, 4, 6, 8}, "d-r-r-d-d-", 1
		if ordered {
			want, outcomes = []int{0, 2, 4, 6, 8}, "d-r-------"
		}
		if !slices.Equal(said, want) || s.Account.outcomes() != outcomes || s.Account.Unanswered() != unanswered {
			t.Errorf("in order %v: %v, %s", ordered, said, s.Account.outcomes())
		}
	}
}

// A message that fails leaves its writes unknown if the server may have got it, those
// before it done, those behind it not attempted; what was found unfit stays so.
func TestFailures(t *testing.T) {
	lost := errors.New("lost")
	for sent, outcomes := range map[bool]string{true: "drd?r?--", false: "drd-r---"} {
		s := letters(1, 0, 1, 1, 0, 1, 1, 1)
		s.Ordered = false
		calls := 0
		err := s.Run(func() (exec.Result, error) {
			_, err := s.Fill(nil, exec.Limits{MaxDocument: 10, MaxBatch: 2, Room: 20})
			if calls++; calls == 2 {
				return exec.Result{Sent: sent}, lost
			}
			return exec.Result{}, err
		}, func(exec.Result) bool { return false })
		if !errors.Is(err, lost) || s.Account.outcomes() != outcomes || !s.Account.Acknowledged {
			t.Errorf("sent %v: %v, %s, want %s", sent, err, s.Account.outcomes(), outcomes)
		}
	}
	// No message was begun: nothing is said of what was in the one before.
	s := letters(1, 1, 1)
	calls := 0
	err := s.Run(func() (exec.Result, error) {
		if calls++; calls == 2 {
			return exec.Result{}, lost
		}
		_, err := s.Fill(nil, exec.Limits{MaxDocument: 10, MaxBatch: 2, Room: 20})
		return exec.Result{}, err
	}, func(exec.Result) bool { return false })
	if !errors.Is(err, lost) || s.Account.outcomes() != "dd-" || s.Account.Unanswered() != 2 {
		t.Errorf("%v, %s", err, s.Account.outcomes())
	}
}

// Without an answer, writes are sent, and no more is known.
func TestUnacknowledged(t *testing.T) {
	s := letters(1, 0, 1)
	s.Ordered = false
	s.sent(t, exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 20}, exec.Result{Unacknowledged: true}, nil)
	if s.Account.outcomes() != "srs" || s.Account.Acknowledged || s.Account.Unanswered() != 3 {
		t.Errorf("%s, acknowledged %v", s.Account.outcomes(), s.Account.Acknowledged)
	}
}

// A reply that says too little leaves open what it does not say.
func TestDoubt(t *testing.T) {
	s := letters(1, 1, 1, 1)
	s.Ordered = false
	s.sent(t, exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 20}, exec.Result{}, func(string) bool {
		s.Refuse(2)
		s.Doubt(1)
		return true
	})
	if s.Account.outcomes() != "d?r?" || s.Account.Unanswered() != 1 {
		t.Error(s.Account.outcomes())
	}
}

// What a statement costs beside its own bytes counts, and what is not placed has no
// place.
func TestCostAndPlace(t *testing.T) {
	s := letters(2, 2, 2, 4)
	s.Ordered = false
	var placed string
	s.Begin = func(l *exec.Limits) error { placed, l.Room = "", l.Room-1; return nil }
	s.Cost = func(i int, statement []byte) (int, error) {
		if i == 1 {
			return 0, errBad
		}
		return 1, nil
	}
	s.Place = func(i int, statement []byte) { placed += string(statement[0]); statement[0] -= 'a' - 'A' }
	var all []string
	got := s.sent(t, exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 5}, exec.Result{}, func(string) bool {
		all = append(all, placed)
		return false
	})
	if !slices.Equal(got, []string{"Aa", "Cc"}) || !slices.Equal(all, []string{"a", "c"}) || s.Account.outcomes() != "drdr" {
		t.Errorf("%q, placed %q, %s", got, all, s.Account.outcomes())
	}
	var large *TooLargeError
	if err := s.Account.Refusals[1].Err; !errors.As(err, &large) || large.Size != 4 || large.Limit != 3 || !large.Message {
		t.Error(err)
	}
	s = letters(1)
	s.Begin = func(*exec.Limits) error { return errBad }
	if _, err := s.Fill(nil, exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 5}); !errors.Is(err, errBad) || len(s.Account.Refusals) > 0 {
		t.Error(err)
	}
}

func newAccount(total int) *Account {
	a := NewAccount(total)
	return &a
}
