package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// memory is a database on a server that is not there.
type memory struct {
	mu          sync.Mutex
	collections []Collection
	indexes     map[string][]bson.Raw
	docs        map[string][]bson.Raw
	log         []string
	refuse      func(command bson.Raw) error
	insert      func() error
	broken      error // after the documents
	hangs       bool  // instead
}

var errRefused = errors.New("refused")

func (m *memory) Name() string { return "db" }

func (m *memory) ListCollections(context.Context) ([]Collection, error) { return m.collections, nil }

func (m *memory) ListIndexes(_ context.Context, name string) ([]bson.Raw, error) {
	return m.indexes[name], nil
}

func (m *memory) Count(_ context.Context, name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.docs[name])), nil
}

func (m *memory) CountWritten(ctx context.Context, name string) (int64, error) {
	return m.Count(ctx, name)
}

func (m *memory) Estimate(ctx context.Context, name string) (int64, error) { return m.Count(ctx, name) }

func (m *memory) Find(_ context.Context, name string) Cursor {
	return &memoryCursor{docs: m.docs[name], broken: m.broken, hangs: m.hangs}
}

func (m *memory) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *memory) Insert(_ context.Context, name string, docs []bson.Raw, _ InsertOptions) (w Written, err error) {
	if m.insert != nil {
		return w, m.insert()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range docs {
		m.docs[name] = append(m.docs[name], bytes.Clone(d))
		w.add(Written{Documents: 1, Bytes: int64(len(d))})
	}
	return w, nil
}

func (m *memory) Drop(_ context.Context, name string) error {
	m.note("drop %s", name)
	return nil
}

func (m *memory) Run(_ context.Context, command bson.Raw) error {
	if m.refuse != nil {
		if err := m.refuse(command); err != nil {
			return err
		}
	}
	m.note("%s", command)
	return nil
}

func (m *memory) Refused(err error) bool { return errors.Is(err, errRefused) }
func (m *memory) Existed(error) bool     { return false }

// memoryCursor gives one document a batch.
type memoryCursor struct {
	docs   []bson.Raw
	broken error
	hangs  bool // behind the documents
}

func (c *memoryCursor) Next(ctx context.Context, b *Batch) error {
	if len(c.docs) == 0 {
		if c.hangs {
			<-ctx.Done()
			return ctx.Err()
		}
		return errors.Join(c.broken, map[bool]error{true: io.EOF}[c.broken == nil])
	}
	b.Docs = append(b.Docs, c.docs[0])
	c.docs = c.docs[1:]
	return nil
}

func (c *memoryCursor) Close() error { return nil }

func move1(t *testing.T, from, to *memory, o Options) Result {
	t.Helper()
	o.Verb = "copied"
	tr := New(o)
	if _, err := tr.Add(t.Context(), &ServerDatabase{Database: from}, &ServerDatabase{Database: to}, ""); err != nil {
		t.Fatal(err)
	}
	return tr.Run(t.Context())
}

func numbered(t *testing.T, n int) (list []bson.Raw) {
	t.Helper()
	for i := range n {
		list = append(list, raw(t, fmt.Sprintf(`{"_id":%d}`, i)))
	}
	return list
}

func TestViewsComeBehindWhatTheyAreOn(t *testing.T) {
	view := func(name, on string) Collection {
		return Collection{Name: name, Type: "view", Options: raw(t, `{"viewOn":"`+on+`"}`)}
	}
	from := &memory{collections: []Collection{view("a", "b"), view("b", "c"), view("c", "z"), view("round", "trip"), view("trip", "round"), {Name: "z"}}}
	to := &memory{docs: map[string][]bson.Raw{}}
	if res := move1(t, from, to, Options{}); res.Err() != nil {
		t.Fatal(res.Err())
	}
	var got []string
	for _, line := range to.log {
		got = append(got, strings.Split(line, `"`)[3])
	}
	if want := "[z c b a trip round]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// One index that the server refuses does not cost the others.
func TestIndexesOneByOne(t *testing.T) {
	from := &memory{collections: []Collection{{Name: "c"}}, indexes: map[string][]bson.Raw{"c": nil}, docs: map[string][]bson.Raw{"c": numbered(t, 1)}}
	for _, name := range []string{"a", "bad", "z"} {
		from.indexes["c"] = append(from.indexes["c"], raw(t, `{"key":{"`+name+`":1},"name":"`+name+`"}`))
	}
	to := &memory{docs: map[string][]bson.Raw{}, refuse: func(command bson.Raw) error {
		if bytes.Contains(command, []byte("bad")) {
			return errRefused
		}
		return nil
	}}
	res := move1(t, from, to, Options{})
	if c := res.Collections[0]; c.Indexes != 2 || c.Err == nil || c.Err.Error() != `index "bad": refused` || len(to.log) != 3 {
		t.Errorf("%+v, %q", c, to.log)
	}
	to.refuse = func(command bson.Raw) error {
		if _, ok := bsonwire.Lookup(command, "createIndexes"); ok {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	if res := move1(t, from, &memory{docs: map[string][]bson.Raw{}, refuse: to.refuse}, Options{}); res.Collections[0].Err.Error() != "indexes: unexpected EOF" {
		t.Errorf("a lost connection: %v", res.Collections[0].Err)
	}
}

// Neither side waits for one that has ended.
func TestPipeEnds(t *testing.T) {
	full := errors.New("disk full")
	for name, c := range map[string]struct {
		insert, broken error
		n              int
		want           error
		begun          bool
	}{
		"all is well":              {n: 20, begun: true},
		"nothing":                  {begun: true},
		"the target fails":         {insert: full, n: 20, want: full, begun: true},
		"the source fails at once": {broken: full, want: full},
		"the source fails later":   {broken: full, n: 20, want: full, begun: true},
	} {
		from := &memory{collections: []Collection{{Name: "c"}}, docs: map[string][]bson.Raw{"c": numbered(t, c.n)}, broken: c.broken}
		to := &memory{docs: map[string][]bson.Raw{}}
		if c.insert != nil {
			to.insert = func() error { return c.insert }
		}
		res := move1(t, from, to, Options{})
		if got := res.Collections[0]; !errors.Is(got.Err, c.want) || (got.Err == nil) != (c.want == nil) || got.Begun != c.begun {
			t.Errorf("%s: %+v", name, got)
		}
		if want := from.docs["c"]; c.insert == nil && !slices.EqualFunc(to.docs["c"], want, func(a, b bson.Raw) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%s: %d documents, want %d", name, len(to.docs["c"]), len(want))
		}
	}
}

// A target that fails ends a source that hangs.
func TestFailureEndsReading(t *testing.T) {
	full := errors.New("disk full")
	from := &memory{collections: []Collection{{Name: "c"}}, docs: map[string][]bson.Raw{"c": numbered(t, 1)}, hangs: true}
	to := &memory{docs: map[string][]bson.Raw{}, insert: func() error { return full }}
	synctest.Test(t, func(t *testing.T) {
		if res := move1(t, from, to, Options{}); res.Err() != full {
			t.Errorf("%v, want %v", res.Err(), full)
		}
	})
}

func TestOwnIndexes(t *testing.T) {
	c := Collection{Indexes: []bson.Raw{
		raw(t, `{"key":{"_id":1},"name":"_id_"}`), raw(t, `{"key":{"a":1},"name":"a_1"}`), raw(t, `{"key":{"_id":1},"name":"by_id","clustered":true}`),
	}}
	if own := c.OwnIndexes(); len(own) != 1 || stringOf(own[0], "name") != "a_1" || len(c.Indexes) != 3 {
		t.Errorf("%v of %v", own, c.Indexes)
	}
}
