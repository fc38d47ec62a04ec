package fault

import "testing"

func TestStateChangeErrors(t *testing.T) {
	for _, c := range []struct {
		code                   int32
		message                string
		recovering, notPrimary bool
	}{
		{11600, "", true, false}, {11602, "", true, false}, {13436, "", true, false}, {189, "", true, false}, {91, "", true, false},
		{10107, "", false, true}, {13435, "", false, true}, {10058, "", false, true},
		{0, "node is recovering", true, false}, {0, "not master or secondary; cannot currently read", true, false},
		{0, "replicatedToNum called but not master anymore", false, true},
		{1, "not master", false, false}, {0, "", false, false},
	} {
		if got := IsRecovering(c.code, c.message); got != c.recovering {
			t.Errorf("%d %q: recovering %v", c.code, c.message, got)
		}
		if got := IsNotWritablePrimary(c.code, c.message); got != c.notPrimary {
			t.Errorf("%d %q: not primary %v", c.code, c.message, got)
		}
	}
}

func TestCategory(t *testing.T) {
	for _, c := range []struct {
		code    int32
		message string
		want    error
	}{
		{11000, "", ErrDuplicateKey}, {11001, "", ErrDuplicateKey}, {12582, "", ErrDuplicateKey},
		{16460, "error inserting 1 documents to shard ... caused by :: E11000 duplicate key error", ErrDuplicateKey},
		{16460, "error inserting 1 documents to shard", nil},
		{1, "E11000 duplicate key error", nil},
		{10107, "", ErrNotPrimary}, {0, "not master", ErrNotPrimary}, {0, "node is recovering", ErrNotPrimary}, {1, "not master", nil},
		{50, "", ErrTimeout}, {262, "", ErrTimeout}, {43, "", ErrCursorNotFound}, {0, "", nil},
		{59, "", ErrUnsupported}, {76, "", ErrUnsupported}, {115, "", ErrUnsupported}, {123, "", ErrUnsupported}, {238, "", ErrUnsupported}, {40573, "", ErrUnsupported},
		{20, "Transaction numbers are only allowed on a replica set member or mongos", ErrUnsupported}, {20, "no", nil},
	} {
		if got := Category(c.code, c.message); got != c.want {
			t.Errorf("%d %q: %v, want %v", c.code, c.message, got, c.want)
		}
	}
	if Is(1, "", nil) {
		t.Error("an error without a category belongs to nil")
	}
}

// The lists of the specifications "Retryable Reads", "Retryable Writes" and "Change
// Streams".
func TestTraits(t *testing.T) {
	transient := []int32{6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
	lists := map[string]struct {
		reports func(int32) bool
		codes   []int32
	}{
		"reads":          {func(code int32) bool { return RetriesRead(code, "") }, append([]int32{134}, transient...)},
		"writes":         {RetriesWrite, transient},
		"change streams": {Resumes, append([]int32{43, 63, 133, 150, 234, 13388}, transient...)},
		"shutting down":  {IsShuttingDown, []int32{91, 11600}},
	}
	for name, l := range lists {
		want := map[int32]bool{}
		for _, code := range l.codes {
			want[code] = true
		}
		for code := range int32(20_000) {
			if got := l.reports(code); got != want[code] {
				t.Errorf("%s: %d: %v", name, code, got)
			}
		}
	}
	if !RetriesRead(0, "not master") || RetriesRead(0, "") {
		t.Error("without a code, the message counts")
	}
}
