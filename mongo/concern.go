package mongo

import (
	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

func readPreference(rp *readpref.ReadPref) (mgx.ReadPreference, error) {
	p := mgx.ReadPreference{Mode: mgx.Primary}
	if rp == nil {
		return p, nil
	}
	if rp.HedgeEnabled() != nil { //nolint:staticcheck // it is to be refused while it is there
		return p, &unsupportedError{"readpref.WithHedgeEnabled", "servers have no hedged reads since version 8.0"}
	}
	switch rp.Mode() {
	case readpref.PrimaryPreferredMode:
		p.Mode = mgx.PrimaryPreferred
	case readpref.SecondaryMode:
		p.Mode = mgx.Secondary
	case readpref.SecondaryPreferredMode:
		p.Mode = mgx.SecondaryPreferred
	case readpref.NearestMode:
		p.Mode = mgx.Nearest
	}
	for _, set := range rp.TagSets() {
		tags := map[string]string{}
		for _, t := range set {
			tags[t.Name] = t.Value
		}
		p.TagSets = append(p.TagSets, tags)
	}
	p.MaxStaleness, _ = rp.MaxStaleness()
	return p, nil
}

func writeConcern(wc *writeconcern.WriteConcern) mgx.WriteConcern {
	if wc == nil {
		return mgx.WriteConcern{}
	}
	return mgx.WriteConcern{W: wc.W, Journal: wc.Journal}
}

// readConcern is that of a handle or a transaction: without a level, it is the server's
// default, whatever the client's is.
func readConcern(rc *readconcern.ReadConcern) mgx.ReadConcern {
	if rc.Level == "" {
		return mgx.ReadConcernServerDefault
	}
	return mgx.ReadConcern(rc.Level)
}

// handle are the options of a handle.
func handle(rc *readconcern.ReadConcern, wc *writeconcern.WriteConcern, rp *readpref.ReadPref) ([]mgx.HandleOption, error) {
	var list []mgx.HandleOption
	if rc != nil {
		list = append(list, mgx.WithReadConcern(readConcern(rc)))
	}
	if wc != nil {
		list = append(list, mgx.WithWriteConcern(writeConcern(wc)))
	}
	if rp != nil {
		p, err := readPreference(rp)
		if err != nil {
			return nil, err
		}
		list = append(list, mgx.WithReadPreference(p))
	}
	return list, nil
}

// unacknowledged reports whether a write concern is w=0; without one, whether the one it
// would override is.
func unacknowledged(wc *writeconcern.WriteConcern, inherited bool) bool {
	if wc == nil {
		return inherited
	}
	return !wc.Acknowledged()
}
