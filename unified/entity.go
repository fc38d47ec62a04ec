package unified

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// entities are what a test has named, by name. Its threads share them.
type entities struct {
	mu  sync.Mutex
	all map[string]any
	ids []string // in the order of creation
}

func (m *entities) add(name string, v any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.all[name]; taken {
		return malformedf("there are two entities %q", name)
	}
	if m.all == nil {
		m.all = map[string]any{}
	}
	m.all[name] = v
	m.ids = append(m.ids, name)
	return nil
}

// find returns an entity of any type.
func (m *entities) find(name string) (any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.all[name]
	if !ok {
		return nil, malformedf("there is no entity %q", name)
	}
	return v, nil
}

// entity returns an entity of a type.
func entity[T any](m *entities, name string) (T, error) {
	var none T
	v, err := m.find(name)
	if err != nil {
		return none, err
	}
	t, ok := v.(T)
	if !ok {
		return none, malformedf("the entity %q is a %T, not a %T", name, v, none)
	}
	return t, nil
}

// each calls f for the entities of a type, in the order of creation.
func each[T any](m *entities, f func(T)) {
	m.mu.Lock()
	var list []T
	for _, id := range m.ids {
		if t, ok := m.all[id].(T); ok {
			list = append(list, t)
		}
	}
	m.mu.Unlock()
	for _, t := range list {
		f(t)
	}
}

// create makes entities as a test describes them.
func (r *run) create(list []bson.D) error {
	for _, d := range list {
		kind, spec := d[0].Key, d[0].Value.(bson.D)
		id := get[string](spec, "id")
		v, err := r.createOne(kind, spec)
		if err == nil {
			err = r.entities.add(id, v)
		}
		if err != nil {
			return fmt.Errorf("%s %q: %w", kind, id, err)
		}
	}
	return nil
}

func (r *run) createOne(kind string, spec bson.D) (any, error) {
	switch kind {
	case "client":
		return r.newClient(spec)
	case "database":
		c, err := entity[*client](&r.entities, get[string](spec, "client"))
		if err != nil {
			return nil, err
		}
		options, err := handle(get[bson.D](spec, "databaseOptions"))
		return c.Client.Database(get[string](spec, "databaseName"), options...), err
	case "collection":
		db, err := entity[*mgx.Database](&r.entities, get[string](spec, "database"))
		if err != nil {
			return nil, err
		}
		options, err := handle(get[bson.D](spec, "collectionOptions"))
		return db.Collection(get[string](spec, "collectionName"), options...), err
	case "bucket":
		db, err := entity[*mgx.Database](&r.entities, get[string](spec, "database"))
		if err != nil {
			return nil, err
		}
		return newBucket(db, get[bson.D](spec, "bucketOptions"))
	case "thread":
		return newThread(), nil
	case "session":
		return r.newSession(spec)
	case "clientEncryption":
		return r.newClientEncryption(get[bson.D](spec, "clientEncryptionOpts"))
	}
	return nil, skipf("entities of the kind %s are not supported", kind)
}

// handle are the options of a database or collection.
func handle(d bson.D) ([]mgx.HandleOption, error) {
	var options []mgx.HandleOption
	for _, e := range d {
		sub, _ := e.Value.(bson.D)
		switch e.Key {
		case "readConcern":
			options = append(options, mgx.WithReadConcern(readConcern(sub)))
		case "readPreference":
			rp, err := readPreference(sub)
			if err != nil {
				return nil, err
			}
			options = append(options, mgx.WithReadPreference(rp))
		case "writeConcern":
			wc, err := writeConcern(sub)
			if err != nil {
				return nil, err
			}
			options = append(options, mgx.WithWriteConcern(wc))
		case "timeoutMS":
			n, _ := integer(e.Value)
			options = append(options, mgx.Timeout(time.Duration(n)*time.Millisecond))
		default:
			return nil, malformedf("a handle has no option %q", e.Key)
		}
	}
	return options, nil
}

func readPreference(d bson.D) (mgx.ReadPreference, error) {
	var rp mgx.ReadPreference
	for _, e := range d {
		switch e.Key {
		case "mode":
			// Files write "Secondary" as well as "secondary".
			name, _ := e.Value.(string)
			mode, err := mgx.ParseMode(strings.ToLower(name[:min(len(name), 1)]) + name[min(len(name), 1):])
			if err != nil {
				return rp, malformedf("read preference: %v", err)
			}
			rp.Mode = mode
		case "tagSets":
			list, _ := e.Value.(bson.A)
			for _, item := range list {
				set := map[string]string{}
				tags, _ := item.(bson.D)
				for _, tag := range tags {
					set[tag.Key] = fmt.Sprint(tag.Value)
				}
				rp.TagSets = append(rp.TagSets, set)
			}
		case "maxStalenessSeconds":
			n, _ := integer(e.Value)
			rp.MaxStaleness = time.Duration(n) * time.Second
		case "hedge":
			d, _ := e.Value.(bson.D)
			if v, ok := lookup(d, "enabled"); ok {
				enabled, _ := v.(bool)
				rp.Hedge = &enabled
			}
		default:
			return rp, malformedf("the read preference has no option %q", e.Key)
		}
	}
	return rp, nil
}

func writeConcern(d bson.D) (mgx.WriteConcern, error) {
	var wc mgx.WriteConcern
	for _, e := range d {
		switch e.Key {
		case "w":
			wc.W = e.Value
			if n, ok := integer(e.Value); ok {
				wc.W = int(n)
			}
		case "journal", "j":
			b, _ := e.Value.(bool)
			wc.Journal = &b
		case "wtimeoutMS", "wtimeout":
			n, _ := integer(e.Value)
			wc.Timeout = time.Duration(n) * time.Millisecond
		default:
			return wc, malformedf("the write concern has no option %q", e.Key)
		}
	}
	return wc, nil
}

// description is a topology as a test recorded it.
type description struct{ event.TopologyDescription }

// late tells that the client knows a server that the description does not have yet:
// the client acts first and tells then.
func (d description) late(c *mgx.Client) bool {
	if d.Kind == "" || d.Kind == "Unknown" {
		return c.Host() != ""
	}
	return strings.HasPrefix(d.Kind, "ReplicaSet") && c.IsPrimary() && d.primary() != net.JoinHostPort(c.Host(), strconv.Itoa(c.Port()))
}

// primary is the address of the primary; "" if there is none.
func (d description) primary() string {
	for _, s := range d.Servers {
		if s.Kind == "RSPrimary" {
			return s.Address
		}
	}
	return ""
}

// readConcern is the concern of a document. One without a level is the server's default.
func readConcern(d bson.D) mgx.ReadConcern {
	if level := get[string](d, "level"); level != "" {
		return mgx.ReadConcern(level)
	}
	return mgx.ReadConcernServerDefault
}
