package mgx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// bulkServer answers bulkWrite and keeps what it was sent.
type bulkServer struct {
	*scripted.Server
	// answer is the reply to a bulkWrite; nil says that all went well.
	answer func(n int, m bulkMessage) any
	// getMore is the reply to a getMore.
	getMore any

	mu       sync.Mutex
	messages []bulkMessage
	others   []scripted.Request
}

// bulkMessage is a bulkWrite as it came.
type bulkMessage struct {
	scripted.Request
	ops, namespaces []bson.Raw
}

func (m *bulkMessage) String() string {
	var parts []string
	for _, op := range m.ops {
		e, _ := op.IndexErr(0)
		at, _ := e.Value().Int32OK()
		parts = append(parts, fmt.Sprintf("%s %s", e.Key(), m.namespaces[at].Lookup("ns").StringValue()))
	}
	return strings.Join(parts, ", ")
}

func startBulkServer(t *testing.T, hello ...bson.E) *bulkServer {
	b := &bulkServer{}
	hello = append([]bson.E{{Key: "logicalSessionTimeoutMinutes", Value: 30}}, hello...)
	b.Server = scripted.Listen(t, scripted.Greet(scripted.Hello(hello...), b.serve))
	return b
}

func (b *bulkServer) serve(p *scripted.Peer, r scripted.Request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Name != "bulkWrite" {
		b.others = append(b.others, r)
		if r.Name == "getMore" {
			return p.Answer(r, b.getMore) == nil
		}
		return scripted.Ping(p, r)
	}
	m := bulkMessage{Request: r}
	for _, s := range r.Sequences {
		for doc, ok := s.Next(); ok; doc, ok = s.Next() {
			if s.Identifier == "ops" {
				m.ops = append(m.ops, doc)
			} else {
				m.namespaces = append(m.namespaces, doc)
			}
		}
	}
	b.messages = append(b.messages, m)
	if unacknowledged(r) {
		return true
	}
	var reply any = bulkReply(0, len(m.ops), nil)
	if b.answer != nil {
		reply = b.answer(len(b.messages)-1, m)
	}
	if reply == nil {
		return false
	}
	return p.Answer(r, reply) == nil
}

func unacknowledged(r scripted.Request) bool {
	w, err := r.Document.LookupErr("writeConcern", "w")
	return err == nil && w.Type == bson.TypeInt32 && w.Int32() == 0
}

func (b *bulkServer) sent() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for i := range b.messages {
		list = append(list, b.messages[i].String())
	}
	return list
}

// requests are the others of a name.
func (b *bulkServer) requests(name string) []scripted.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.others), func(r scripted.Request) bool { return r.Name != name })
}

// bulkReply is a reply of n inserts, with a cursor and its first batch.
func bulkReply(id int64, n int, batch bson.A, more ...bson.E) bson.D {
	if batch == nil {
		batch = bson.A{}
	}
	d := bson.D{
		{"ok", 1}, {"cursor", bson.D{{"id", id}, {"ns", "admin.$cmd.bulkWrite"}, {"firstBatch", batch}}},
		{"nErrors", 0}, {"nInserted", n}, {"nMatched", 0}, {"nModified", 0}, {"nUpserted", 0}, {"nDeleted", 0},
	}
	for _, e := range more {
		i := slices.IndexFunc(d, func(have bson.E) bool { return have.Key == e.Key })
		if i < 0 {
			d = append(d, e)
		} else {
			d[i] = e
		}
	}
	return d
}

// bulkWrite is a write whose handle comes later, from the client: see on.
type bulkWrite struct {
	ns    string
	model WriteModel
}

// on makes the writes those of a client.
func on(c *Client, list []bulkWrite) []ClientWrite {
	var writes []ClientWrite
	for _, w := range list {
		database, collection, _ := strings.Cut(w.ns, ".")
		writes = append(writes, ClientWrite{c.Database(database).Collection(collection), w.model})
	}
	return writes
}

func inserts(ns string, n int) []bulkWrite {
	list := make([]bulkWrite, n)
	for i := range list {
		list[i] = bulkWrite{ns, InsertOneModel(bson.D{{"_id", i}})}
	}
	return list
}

// Each message names the namespaces of its own writes, once each, whatever ended
// the one before.
func TestClientBulkWriteMessages(t *testing.T) {
	pad := strings.Repeat("x", 600)
	wide := func(ns string) bulkWrite { return bulkWrite{ns, InsertOneModel(bson.D{{"_id", 1}, {"pad", pad}})} }
	for name, tt := range map[string]struct {
		limits []bson.E
		writes []bulkWrite
		want   []string
	}{
		"one": {nil, []bulkWrite{
			{"a.x", InsertOneModel(bson.D{{"_id", 1}})}, {"b.y", UpdateOneModel(nil, bson.D{{"$set", bson.D{{"a", 1}}}})},
			{"a.x", DeleteManyModel(nil)}, {"b.y.z", ReplaceOneModel(nil, bson.D{{"a", 1}})},
		}, []string{"insert a.x, update b.y, delete a.x, update b.y.z"}},
		"by count": {[]bson.E{{Key: "maxWriteBatchSize", Value: 2}}, []bulkWrite{
			{"a.x", DeleteOneModel(nil)}, {"a.y", DeleteOneModel(nil)}, {"a.z", DeleteOneModel(nil)}, {"a.y", DeleteOneModel(nil)}, {"a.x", DeleteOneModel(nil)},
		}, []string{"delete a.x, delete a.y", "delete a.z, delete a.y", "delete a.x"}},
		"by size": {[]bson.E{{Key: "maxMessageSizeBytes", Value: 2500}},
			[]bulkWrite{wide("a.x"), wide("a.y"), wide("a.z"), wide("a.x"), wide("a.y")},
			[]string{"insert a.x, insert a.y", "insert a.z, insert a.x", "insert a.y"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startBulkServer(t, tt.limits...)
			c := openClient(t, s.Server)
			res, err := c.BulkWrite(t.Context(), on(c, tt.writes))
			if err != nil || res.InsertedCount != int64(len(tt.writes)) { // the server calls all of them inserts
				t.Errorf("%+v, %v", res, err)
			}
			if got := s.sent(); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// The specification sets 1000 bytes aside: a message is just full when commands,
// writes and namespaces take the rest, be it a namespace that does not fit.
func TestClientBulkWriteRoom(t *testing.T) {
	const limit = 48_000
	const command = 5 + (1 + 10 + 4) + (1 + 11 + 1) + (1 + 8 + 1) // {bulkWrite: 1, errorsOnly: true, ordered: true}
	const ns = 5 + 1 + 3 + 4 + len("a.x") + 1
	const op = 5 + (1 + 7 + 4) + (1 + 9) + 5 + (1 + 4 + 4) + (1 + 4 + 4 + 1) // {insert: 0, document: {_id: 1, pad: ""}}
	for extra, messages := range map[int]int{0: 1, 1: 2} {
		for _, second := range []string{"a.x", "a.y"} {
			s := startBulkServer(t, bson.E{Key: "maxMessageSizeBytes", Value: limit})
			room := limit - 1000 - command - ns - 2*op
			if second != "a.x" {
				room -= ns
			}
			writes := []bulkWrite{
				{"a.x", InsertOneModel(bson.D{{"_id", int32(1)}, {"pad", strings.Repeat("x", room/2)}})},
				{second, InsertOneModel(bson.D{{"_id", int32(1)}, {"pad", strings.Repeat("x", room-room/2+extra)}})},
			}
			c := openClient(t, s.Server)
			if _, err := c.BulkWrite(t.Context(), on(c, writes)); err != nil {
				t.Fatal(err)
			}
			if got := s.sent(); len(got) != messages {
				t.Errorf("%d bytes too many, %s: %q", extra, second, got)
			}
		}
	}
}

// A write that no message has room for ends the bulk; the ones before it are done.
func TestClientBulkWriteWithoutRoom(t *testing.T) {
	s := startBulkServer(t, bson.E{Key: "maxMessageSizeBytes", Value: 3000})
	writes := append(inserts("a.x", 2), bulkWrite{"a.x", InsertOneModel(bson.D{{"pad", strings.Repeat("x", 3000)}})})
	c := openClient(t, s.Server)
	res, err := c.BulkWrite(t.Context(), on(c, writes))
	var e *ClientBulkWriteError
	if !errors.As(err, &e) || !errors.Is(err, ErrDocumentTooLarge) || e.Unsent != 3 || e.Outcome(2) != WriteRefused || e.PartialResult == nil || res.InsertedCount != 2 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestClientBulkWriteCommand(t *testing.T) {
	s := startBulkServer(t, bson.E{Key: "maxWireVersion", Value: 27})
	c := openClient(t, s.Server)
	_, err := c.BulkWrite(t.Context(), on(c, []bulkWrite{
		{"a.x", UpdateOneModel(bson.D{{"q", 1}}, bson.A{bson.D{{"$set", bson.D{{"a", 1}}}}}, Upsert(), Hint("h"), Sort("-b"), WithCollation(Collation{Locale: "de"}))},
		{"a.x", UpdateManyModel(bson.D{{"q", 1}}, bson.D{{"$set", bson.D{{"a.$[i]", 1}}}}, ArrayFilters(bson.D{{"i", 1}}))},
		{"a.x", ReplaceOneModel(nil, bson.D{{"r", 1}})},
		{"a.x", DeleteOneModel(bson.D{{"q", 1}}, Hint(bson.D{{"q", 1}}))},
	}), Unordered(), BypassDocumentValidation(true), Let(bson.D{{"v", 1}}), Comment("why"), RawData(), WithWriteConcern(WriteConcern{W: "majority"}))
	if err != nil {
		t.Fatal(err)
	}
	m := s.messages[0]
	var body bson.D
	if err := bson.Unmarshal(m.Document, &body); err != nil {
		t.Fatal(err)
	}
	body = slices.DeleteFunc(body, func(e bson.E) bool { return e.Key == "lsid" })
	for got, want := range map[string]string{
		fmt.Sprint(body):  "{\"bulkWrite\":{\"$numberInt\":\"1\"},\"errorsOnly\":true,\"ordered\":false,\"bypassDocumentValidation\":true,\"let\":{\"v\":{\"$numberInt\":\"1\"}},\"comment\":\"why\",\"writeConcern\":{\"w\":\"majority\"},\"rawData\":true,\"$db\":\"admin\"}",
		m.ops[0].String(): `{"update": {"$numberInt":"0"},"filter": {"q": {"$numberInt":"1"}},"updateMods": [{"$set": {"a": {"$numberInt":"1"}}}],"multi": false,"upsert": true,"collation": {"locale": "de"},"hint": "h","sort": {"b": {"$numberInt":"-1"}}}`,
		m.ops[1].String(): `{"update": {"$numberInt":"0"},"filter": {"q": {"$numberInt":"1"}},"updateMods": {"$set": {"a.$[i]": {"$numberInt":"1"}}},"multi": true,"arrayFilters": [{"i": {"$numberInt":"1"}}]}`,
		m.ops[2].String(): `{"update": {"$numberInt":"0"},"filter": {},"updateMods": {"r": {"$numberInt":"1"}},"multi": false}`,
		m.ops[3].String(): `{"delete": {"$numberInt":"0"},"filter": {"q": {"$numberInt":"1"}},"multi": false,"hint": {"q": {"$numberInt":"1"}}}`,
	} {
		if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// What cannot be is refused before anything is sent.
func TestClientBulkWriteRefusals(t *testing.T) {
	s := startBulkServer(t, bson.E{Key: "maxBsonObjectSize", Value: 1000})
	c := openClient(t, s.Server)
	one := inserts("a.x", 1)
	for name, tt := range map[string]struct {
		writes  []bulkWrite
		options []ClientBulkOption
		kind    error
		says    string
	}{
		"none":                   {nil, nil, ErrInvalidArgument, "no writes"},
		"no namespace":           {[]bulkWrite{{"", InsertOneModel(bson.D{})}}, nil, ErrInvalidName, "write 0"},
		"no collection":          {append(one[:1:1], bulkWrite{"a", InsertOneModel(bson.D{})}), nil, ErrInvalidName, "write 1"},
		"bad database":           {inserts("a b.x", 1), nil, ErrInvalidName, "a b"},
		"bad collection":         {inserts("a.x$", 1), nil, ErrInvalidName, "x$"},
		"no model":               {[]bulkWrite{{ns: "a.x"}}, nil, ErrInvalidArgument, "nil"},
		"no operators":           {[]bulkWrite{{"a.x", UpdateOneModel(nil, bson.D{{"a", 1}})}}, nil, ErrInvalidArgument, "no operator"},
		"empty update":           {[]bulkWrite{{"a.x", UpdateManyModel(nil, bson.D{})}}, nil, ErrInvalidArgument, "empty"},
		"operators":              {[]bulkWrite{{"a.x", ReplaceOneModel(nil, bson.D{{"$set", 1}})}}, nil, ErrInvalidArgument, "operator"},
		"no document":            {[]bulkWrite{{"a.x", InsertOneModel(3)}}, nil, ErrInvalidArgument, "write 0"},
		"w=0 in order":           {one, []ClientBulkOption{WithWriteConcern(Unacknowledged())}, ErrInvalidArgument, "Unordered"},
		"w=0 verbose":            {one, []ClientBulkOption{WithWriteConcern(Unacknowledged()), Unordered(), VerboseResults()}, ErrInvalidArgument, "verbose"},
		"w=0, large insert":      {[]bulkWrite{{"a.x", InsertOneModel(bson.D{{"p", strings.Repeat("x", 1000)}})}}, []ClientBulkOption{WithWriteConcern(Unacknowledged()), Unordered()}, ErrDocumentTooLarge, "server accepts 1000"},
		"w=0, large replacement": {[]bulkWrite{{"a.x", ReplaceOneModel(nil, bson.D{{"p", strings.Repeat("x", 1000)}})}}, []ClientBulkOption{WithWriteConcern(Unacknowledged()), Unordered()}, ErrDocumentTooLarge, "server accepts 1000"},
		"w=0, large filter":      {[]bulkWrite{{"a.x", DeleteOneModel(bson.D{{"p", strings.Repeat("x", 18_000)}})}}, []ClientBulkOption{WithWriteConcern(Unacknowledged()), Unordered()}, ErrDocumentTooLarge, "server accepts 17384"},
		"w=0, large command":     {one, []ClientBulkOption{WithWriteConcern(Unacknowledged()), Unordered(), Comment(strings.Repeat("x", 18_000))}, ErrDocumentTooLarge, "command"},
	} {
		_, err := c.BulkWrite(t.Context(), on(c, tt.writes), tt.options...)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		t.Run(name, func(t *testing.T) { is(t, err, []error{tt.kind}, "bulk write: ", tt.says) })
	}
	for name, w := range map[string]ClientWrite{
		"no collection":  {Model: InsertOneModel(bson.D{})},
		"another client": {Collection: openClient(t, startBulkServer(t).Server).Database("a").Collection("x"), Model: InsertOneModel(bson.D{})},
	} {
		_, err := c.BulkWrite(t.Context(), append(on(c, one), w))
		t.Run(name, func(t *testing.T) {
			is(t, err, []error{ErrInvalidArgument}, "write 1", strings.TrimPrefix(name, "no "))
		})
	}
	if got := s.sent(); got != nil {
		t.Errorf("sent: %q", got)
	}
}

func TestClientBulkWriteOnOldServer(t *testing.T) {
	s := startBulkServer(t, bson.E{Key: "maxWireVersion", Value: 21})
	c := openClient(t, s.Server)
	_, err := c.BulkWrite(t.Context(), on(c, inserts("a.x", 1)))
	is(t, err, []error{ErrUnsupported}, "bulkWrite", "wire version is 21, 25 is needed")
}

// Without acknowledgement, every message goes without.
func TestClientBulkWriteUnacknowledged(t *testing.T) {
	s := startBulkServer(t, bson.E{Key: "maxWriteBatchSize", Value: 2})
	c := openClient(t, s.Server)
	if err := c.SetWriteConcern(Unacknowledged()); err != nil {
		t.Fatal(err)
	}
	res, err := c.BulkWrite(t.Context(), on(c, inserts("a.x", 5)), Unordered())
	if err != nil || res.Acknowledged || res.InsertedCount != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if err := c.Ping(t.Context()); err != nil { // sees to it that the server has read all
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.messages) != 3 {
		t.Errorf("%d messages", len(s.messages))
	}
	for _, m := range s.messages {
		if !unacknowledged(m.Request) {
			t.Errorf("%s asks for an answer", m.Document)
		}
	}
}

func refusal(i int) bson.D {
	return bson.D{{"ok", 0}, {"idx", i}, {"code", 11000}, {"errmsg", "E11000 duplicate"}, {"errInfo", bson.D{{"a", i}}}, {"n", 0}}
}

// The rest of the results is asked for in the session of the command.
func TestClientBulkWriteResults(t *testing.T) {
	s := startBulkServer(t)
	s.answer = func(int, bulkMessage) any {
		return bulkReply(77, 1, bson.A{bson.D{{"ok", 1}, {"idx", 0}, {"n", 1}}, refusal(1)},
			bson.E{Key: "nErrors", Value: 1}, bson.E{Key: "nMatched", Value: 3}, bson.E{Key: "nModified", Value: 2},
			bson.E{Key: "nUpserted", Value: 1}, bson.E{Key: "nDeleted", Value: 4})
	}
	s.getMore = bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "admin.$cmd.bulkWrite"}, {"nextBatch", bson.A{
		bson.D{{"ok", 1}, {"idx", 2}, {"n", 3}, {"nModified", 2}},
		bson.D{{"ok", 1}, {"idx", 3}, {"n", 1}, {"nModified", 0}, {"upserted", bson.D{{"_id", nil}}}},
		bson.D{{"ok", 1}, {"idx", 4}, {"n", 4}},
	}}}}}
	c := openClient(t, s.Server)
	res, err := c.BulkWrite(t.Context(), on(c, []bulkWrite{
		{"a.x", InsertOneModel(bson.D{{"_id", "one"}})}, {"a.x", InsertOneModel(bson.D{{"_id", "two"}})},
		{"a.x", UpdateManyModel(nil, bson.D{{"$set", bson.D{{"a", 1}}}})}, {"a.y", ReplaceOneModel(nil, bson.D{}, Upsert())}, {"a.y", DeleteManyModel(nil)},
	}), Unordered(), VerboseResults())
	var e *ClientBulkWriteError
	if !errors.As(err, &e) || !errors.Is(err, ErrDuplicateKey) || e.PartialResult == nil || len(e.WriteErrors) != 1 || e.Err != nil {
		t.Fatalf("%v", err)
	}
	if we := e.WriteErrors[0]; we.Index != 1 || we.Code != 11000 || we.Message != "E11000 duplicate" || we.Details.Lookup("a").Int32() != 1 {
		t.Errorf("%+v", we)
	}
	if res.InsertedCount != 1 || res.MatchedCount != 3 || res.ModifiedCount != 2 || res.UpsertedCount != 1 || res.DeletedCount != 4 || !res.Acknowledged {
		t.Errorf("%+v", res)
	}
	if !maps.Equal(res.InsertResults, map[int]ClientInsertResult{0: {"one"}}) ||
		!maps.Equal(res.UpdateResults, map[int]ClientUpdateResult{2: {MatchedCount: 3, ModifiedCount: 2}, 3: {MatchedCount: 1, Upserted: true}}) ||
		!maps.Equal(res.DeleteResults, map[int]ClientDeleteResult{4: {4}}) {
		t.Errorf("%+v", res)
	}
	more := s.requests("getMore")
	if len(more) != 1 || more[0].Document.Lookup("collection").StringValue() != "$cmd.bulkWrite" || more[0].Document.Lookup("$db").StringValue() != "admin" {
		t.Fatalf("%v", more)
	}
	if a, b := more[0].Document.Lookup("lsid"), s.messages[0].Document.Lookup("lsid"); !a.Equal(b) {
		t.Errorf("the sessions are %v and %v", a, b)
	}
}

// An ordered bulk stops where the server did, and sends no further message.
func TestClientBulkWriteStopsInOrder(t *testing.T) {
	for at, known := range map[int]bool{0: false, 1: true} {
		s := startBulkServer(t, bson.E{Key: "maxWriteBatchSize", Value: 2})
		s.answer = func(int, bulkMessage) any {
			return bulkReply(0, at, bson.A{refusal(at)}, bson.E{Key: "nErrors", Value: 1})
		}
		c := openClient(t, s.Server)
		res, err := c.BulkWrite(t.Context(), on(c, inserts("a.x", 4)))
		var e *ClientBulkWriteError
		if !errors.As(err, &e) || e.Unsent != at+1 || (e.PartialResult != nil) != known || res.InsertedCount != int64(at) || res.InsertResults != nil {
			t.Errorf("%+v, %+v", res, err)
		}
		if got := s.sent(); len(got) != 1 {
			t.Errorf("%q", got)
		}
	}
}

// Unordered, refusals and write concern errors of all messages come together.
func TestClientBulkWriteGathersErrors(t *testing.T) {
	s := startBulkServer(t, bson.E{Key: "maxWriteBatchSize", Value: 2})
	s.answer = func(int, bulkMessage) any {
		return bulkReply(0, 1, bson.A{refusal(1)}, bson.E{Key: "nErrors", Value: 1},
			bson.E{Key: "writeConcernError", Value: bson.D{{"code", 64}, {"errmsg", "timed out"}}})
	}
	c := openClient(t, s.Server)
	res, err := c.BulkWrite(t.Context(), on(c, inserts("a.x", 6)), Unordered())
	var e *ClientBulkWriteError
	if !errors.As(err, &e) || !errors.Is(err, ErrWriteConcern) || len(e.WriteConcernErrors) != 3 || res.InsertedCount != 3 || e.Unsent != 6 {
		t.Fatalf("%+v, %v", res, err)
	}
	for i, we := range e.WriteErrors {
		if we.Index != 2*i+1 {
			t.Errorf("write error %d is of write %d", i, we.Index)
		}
	}
}

// A failing getMore ends the bulk; the cursor is killed, and what is known told.
func TestClientBulkWriteGetMoreFails(t *testing.T) {
	s := startBulkServer(t, bson.E{Key: "maxWriteBatchSize", Value: 2})
	s.answer = func(int, bulkMessage) any { return bulkReply(77, 2, bson.A{bson.D{{"ok", 1}, {"idx", 0}, {"n", 1}}}) }
	s.getMore = bson.D{{"ok", 0}, {"code", 8}, {"codeName", "UnknownError"}, {"errmsg", "no"}}
	c := openClient(t, s.Server)
	res, err := c.BulkWrite(t.Context(), on(c, inserts("a.x", 4)), VerboseResults(), Unordered())
	var e *ClientBulkWriteError
	var se *ServerError
	if !errors.As(err, &e) || !errors.As(e.Err, &se) || se.Code != 8 || se.Raw == nil || e.PartialResult == nil || len(res.InsertResults) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	if n := len(s.requests("killCursors")); n != 1 {
		t.Errorf("killed %d times", n)
	}
	if got := s.sent(); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// Replies that make no sense are protocol violations, never panics.
func TestClientBulkWriteBadReplies(t *testing.T) {
	for name, reply := range map[string]bson.D{
		"no cursor":         {{"ok", 1}, {"nErrors", 0}},
		"cursor is a text":  {{"ok", 1}, {"cursor", "x"}},
		"batch of numbers":  bulkReply(0, 1, bson.A{1, 2}),
		"index too large":   bulkReply(0, 1, bson.A{refusal(99)}),
		"index below 0":     bulkReply(0, 1, bson.A{refusal(-1)}),
		"index of a result": bulkReply(0, 1, bson.A{bson.D{{"ok", 1}, {"idx", 2}}}),
		"no index":          bulkReply(0, 1, bson.A{bson.D{{"ok", 1}}}),
	} {
		s := startBulkServer(t)
		s.answer = func(int, bulkMessage) any { return reply }
		c := openClient(t, s.Server)
		_, err := c.BulkWrite(t.Context(), on(c, inserts("a.x", 2)), Unordered())
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A message is sent again with the same _ids and the same number, but not if it
// changes more than one document at a time.
func TestClientBulkWriteRetries(t *testing.T) {
	members := []bson.E{{Key: "setName", Value: "rs"}, {Key: "hosts", Value: bson.A{}}, {Key: "secondary", Value: false}}
	for _, many := range []bool{false, true} {
		s := startBulkServer(t, members...)
		s.answer = func(n int, m bulkMessage) any {
			if n == 0 {
				return nil // hangs up
			}
			return bulkReply(0, len(m.ops), nil)
		}
		writes := []bulkWrite{{"a.x", InsertOneModel(bson.D{{"a", 1}})}}
		if many {
			writes = append(writes, bulkWrite{"a.x", DeleteManyModel(nil)})
		}
		c := openClient(t, s.Server, func(o *Options) { yes := true; o.DirectConnection = &yes })
		_, err := c.BulkWrite(context.Background(), on(c, writes))
		s.mu.Lock()
		switch {
		case many && (err == nil || len(s.messages) != 1 || !errors.Is(err, ErrAutoReconnect)):
			t.Errorf("%d messages, %v", len(s.messages), err)
		case !many && (err != nil || len(s.messages) != 2):
			t.Errorf("%d messages, %v", len(s.messages), err)
		case !many:
			a, b := s.messages[0], s.messages[1]
			if !slices.Equal(a.ops[0], b.ops[0]) || !a.Document.Lookup("txnNumber").Equal(b.Document.Lookup("txnNumber")) {
				t.Errorf("%s\n%s", a.Document, b.Document)
			}
		}
		s.mu.Unlock()
	}
}
