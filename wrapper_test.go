package mgx

import (
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// wrapped is a client's driver and platform fields, without mgx's own part.
type wrapped struct{ name, version, platform string }

// said returns what the latest connection said of itself, and all else of it.
func (r *recorder) said(t *testing.T) (w wrapped, others string) {
	t.Helper()
	var doc bson.Raw
	r.each(func(req scripted.Request) {
		if d, ok := req.Document.Lookup("client").DocumentOK(); ok {
			doc = d
		}
	})
	own := func(path ...string) string {
		s, _ := doc.Lookup(path...).StringValueOK()
		_, rest, _ := strings.Cut(s, "|")
		return rest
	}
	var rest bson.D
	if err := bson.Unmarshal(doc, &rest); err != nil {
		t.Fatal(err)
	}
	kept := bson.D{}
	for _, e := range rest {
		if e.Key != "driver" && e.Key != "platform" {
			kept = append(kept, e)
		}
	}
	b, err := bson.MarshalExtJSON(kept, true, false)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped{own("driver", "name"), own("driver", "version"), own("platform")}, string(b)
}

// The cases are those of the specification "MongoDB Handshake", "Client Metadata
// Update Prose Tests".
func TestAppendWrapper(t *testing.T) {
	library := WrapperInfo{Name: "library", Version: "1.2", Platform: "Library Platform"}
	tests := []struct {
		name  string
		more  WrapperInfo
		wants wrapped
	}{
		{"all", WrapperInfo{Name: "framework", Version: "2.0", Platform: "Framework Platform"}, wrapped{"library|framework", "1.2|2.0", "Library Platform|Framework Platform"}},
		{"no platform", WrapperInfo{Name: "framework", Version: "2.0"}, wrapped{"library|framework", "1.2|2.0", "Library Platform"}},
		{"no version", WrapperInfo{Name: "framework", Platform: "Framework Platform"}, wrapped{"library|framework", "1.2", "Library Platform|Framework Platform"}},
		{"name alone", WrapperInfo{Name: "framework"}, wrapped{"library|framework", "1.2", "Library Platform"}},
		{"the same", library, wrapped{"library", "1.2", "Library Platform"}},
		{"another name", WrapperInfo{Name: "framework", Version: "1.2", Platform: "Library Platform"}, wrapped{"library|framework", "1.2|1.2", "Library Platform|Library Platform"}},
		{"another version", WrapperInfo{Name: "library", Version: "2.0", Platform: "Library Platform"}, wrapped{"library|library", "1.2|2.0", "Library Platform|Library Platform"}},
		{"another platform", WrapperInfo{Name: "library", Version: "1.2", Platform: "Framework Platform"}, wrapped{"library|library", "1.2|1.2", "Library Platform|Framework Platform"}},
	}
	for _, initial := range []bool{true, false} {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				var rec recorder
				s := scripted.Listen(t, rec.greet(healthy, func(p *scripted.Peer, r scripted.Request) error { return p.Answer(r, bson.D{{Key: "ok", Value: 1}}) }))
				o := &Options{Hosts: []string{s.Address}, AppName: "app"}
				if initial {
					o.WrapperInfo = []WrapperInfo{library}
				}
				client, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close(t.Context())
				if !initial {
					if err := client.AppendWrapper(library); err != nil {
						t.Fatal(err)
					}
				}
				ping := func() {
					t.Helper()
					if err := client.Ping(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				ping()
				before, others := rec.said(t)
				if before != (wrapped{"library", "1.2", "Library Platform"}) {
					t.Errorf("at first: %+v", before)
				}
				if err := client.AppendWrapper(test.more); err != nil {
					t.Fatal(err)
				}
				connections := s.Accepted()
				ping()
				if s.Accepted() != connections {
					t.Error("a connection was made anew")
				}
				if err := client.Disconnect(t.Context()); err != nil {
					t.Fatal(err)
				}
				ping()
				after, still := rec.said(t)
				if after != test.wants || still != others {
					t.Errorf("%+v, want %+v; %s, was %s", after, test.wants, still, others)
				}
			})
		}
	}
}

func TestWrongWrapper(t *testing.T) {
	client, err := New(&Options{Hosts: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	for _, w := range []WrapperInfo{{}, {Version: "1"}, {Name: "a|b"}, {Name: "a", Version: "1|2"}, {Name: "a", Platform: "|"}} {
		if err := client.AppendWrapper(w); !errors.Is(err, ErrConfiguration) {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
