package bson_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// TestOracleOptions compares the decoding options that the official package has
// too: documents in an any as M or map[string]any, and times in another zone.
func TestOracleOptions(t *testing.T) {
	local := time.Local
	time.Local = time.FixedZone("elsewhere", 2*3600)
	defer func() { time.Local = local }()
	for name, o := range map[string]struct {
		mgx      bson.DecodeOptions
		official func(*official.Decoder)
	}{
		"M":            {bson.DecodeOptions{DocumentType: reflect.TypeFor[bson.M]()}, (*official.Decoder).DefaultDocumentM},
		"map":          {bson.DecodeOptions{DocumentType: reflect.TypeFor[map[string]any]()}, (*official.Decoder).DefaultDocumentMap},
		"location":     {bson.DecodeOptions{Location: time.Local}, (*official.Decoder).UseLocalTimeZone},
		"copy strings": {bson.DecodeOptions{CopyStrings: true}, func(*official.Decoder) {}},
		"M and zone": {bson.DecodeOptions{DocumentType: reflect.TypeFor[bson.M](), Location: time.Local}, func(d *official.Decoder) {
			d.DefaultDocumentM()
			d.UseLocalTimeZone()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			subject := codec{unmarshal: func(data []byte, v any) error { return o.mgx.Unmarshal(data, v) }}
			reference := codec{unmarshal: func(data []byte, v any) error {
				d := official.NewDecoder(official.NewDocumentReader(bytes.NewReader(data)))
				o.official(d)
				return d.Decode(v)
			}}
			rounds(t, 300, func(seed uint64) {
				c := seeded(seed)
				data := c.document(nil, 3)
				if o.mgx.Location != nil && holds(data, isOtherTime) {
					return
				}
				if err := compareDocument(subject, reference, c, data, c.structType(2), pick(c, zooStructs)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestShareInput decodes with nothing copied, and lets the input be.
func TestShareInput(t *testing.T) {
	rounds(t, 500, func(seed uint64) {
		c := seeded(seed)
		data := c.document(nil, 3)
		for _, target := range documentTargets {
			got, want := target(), target()
			o := bson.DecodeOptions{ShareInput: true}
			gotErr, wantErr := o.Unmarshal(data, got), bson.Unmarshal(data, want)
			if (gotErr == nil) != (wantErr == nil) {
				t.Errorf("%T: error %v, and %v without ShareInput", got, gotErr, wantErr)
			} else if at := diff("", reflect.ValueOf(got), reflect.ValueOf(want)); gotErr == nil && at != "" {
				t.Errorf("%T: differs at %s from what there is without ShareInput", got, at)
			}
		}
	})
}

// TestTimeAware decodes datetimes in an any as time.Time, and nothing else
// differently.
func TestTimeAware(t *testing.T) {
	zone := time.FixedZone("there", -7*3600)
	rounds(t, 500, func(seed uint64) {
		data := seeded(seed).document(nil, 3)
		var plain, aware any
		o := bson.DecodeOptions{TimeAware: true, Location: zone}
		if err := bson.Unmarshal(data, &plain); err != nil {
			t.Fatal(err)
		}
		if err := o.Unmarshal(data, &aware); err != nil {
			t.Fatal(err)
		}
		if at := diff("", reflect.ValueOf(aware), reflect.ValueOf(withTimes(plain, zone))); at != "" {
			t.Errorf("differs at %s:\n%v\n%v", at, aware, plain)
		}
	})
}

// withTimes replaces the datetimes in v.
func withTimes(v any, zone *time.Location) any {
	switch v := v.(type) {
	case bson.DateTime:
		return v.Time().In(zone)
	case bson.D:
		for i := range v {
			v[i].Value = withTimes(v[i].Value, zone)
		}
	case bson.A:
		for i := range v {
			v[i] = withTimes(v[i], zone)
		}
	case bson.CodeWithScope:
		v.Scope = withTimes(v.Scope, zone)
		return v
	}
	return v
}

// isOtherTime reports whether v becomes a time that the official package leaves
// in UTC: a location is for all times in mgx.
func isOtherTime(v official.RawValue) bool {
	s, ok := v.StringValueOK()
	if !ok {
		return false
	}
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}
