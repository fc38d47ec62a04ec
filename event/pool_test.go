package event_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/mgxdb/mgx/event"
)

func TestPoolOptionsByName(t *testing.T) {
	for _, c := range []struct {
		options    event.PoolOptions
		text, json string
	}{
		{event.PoolOptions{MaxPoolSize: 100, MaxConnecting: 2}, "", "{}"},
		{event.PoolOptions{MaxConnecting: 2}, "maxPoolSize=0", `{"maxPoolSize":0}`},
		{
			event.PoolOptions{
				MaxPoolSize: 50, MinPoolSize: 5, MaxConnecting: 3, MaxIdleTime: time.Second,
				WaitQueueTimeout: 2 * time.Minute, WaitQueueMultiple: 4, MaxConnectionAge: time.Hour,
			},
			"maxPoolSize=50 minPoolSize=5 maxConnecting=3 maxIdleTimeMS=1000 waitQueueTimeoutMS=120000 waitQueueMultiple=4 maxConnectionAgeMS=3600000",
			`{"maxConnecting":3,"maxConnectionAgeMS":3600000,"maxIdleTimeMS":1000,"maxPoolSize":50,"minPoolSize":5,"waitQueueMultiple":4,"waitQueueTimeoutMS":120000}`,
		},
	} {
		if got := c.options.String(); got != c.text {
			t.Errorf("%q, want %q", got, c.text)
		}
		if got, err := json.Marshal(c.options); err != nil || string(got) != c.json {
			t.Errorf("%s, %v, want %s", got, err, c.json)
		}
	}
}
