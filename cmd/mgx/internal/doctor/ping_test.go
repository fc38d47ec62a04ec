package doctor

import (
	"fmt"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

func TestQuantile(t *testing.T) {
	var ten []time.Duration
	for i := range 10 {
		ten = append(ten, time.Duration(i+1))
	}
	for p, want := range map[int]time.Duration{0: 1, 50: 5, 90: 9, 99: 10, 100: 10} {
		if got := quantile(ten, p); got != want {
			t.Errorf("%d%%: %d, want %d", p, got, want)
		}
	}
	if got := quantile(ten[:1], 50); got != 1 {
		t.Errorf("of one: %d", got)
	}
}

func TestFarAway(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "ping" {
			time.Sleep(farAway) // the finding is about real time
		}
		return scripted.Ping(p, r)
	}))
	examine(t, Request{URI: "mongodb://" + s.Address, Pings: 1}).warns(t, "ping.slow", "1 ping:", "run near the server")
}

func TestServerThatDies(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		return r.Name != "ping" && scripted.Ping(p, r)
	}))
	examine(t, Request{URI: "mongodb://" + s.Address}).stops(t, "ping", "ping.failed", "ping 1 of 3", "died")
}

func TestClock(t *testing.T) {
	tests := []struct {
		skew time.Duration
		says []string
	}{
		{10 * time.Second, []string{"ahead of this machine's clock", "NTP"}},
		{-10 * time.Second, []string{"behind this machine's clock", "NTP"}},
		{time.Hour, []string{"1h0m0s ahead", "NTP", "AWS signatures"}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.skew), func(t *testing.T) {
			s := scripted.Listen(t, func(p *scripted.Peer) {
				for {
					r, err := p.Read()
					if err != nil || p.Answer(r, scripted.Hello(bson.E{Key: "localTime", Value: time.Now().Add(test.skew)})) != nil {
						return
					}
				}
			})
			r := examine(t, Request{URI: "mongodb://" + s.Address})
			r.warns(t, "clock.skewed", test.says...)
			skew, _ := r.Find("clock.skewed")[0].Facts["skewSeconds"].(float64)
			if diff := skew - test.skew.Seconds(); diff > 1 || diff < -1 {
				t.Errorf("a skew of %v seconds", skew)
			}
		})
	}
}

func TestFullServer(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "connections", Value: bson.D{{Key: "current", Value: 95}, {Key: "available", Value: 5}}}}) == nil
	}))
	examine(t, Request{URI: "mongodb://" + s.Address}).warns(t, "pool.serverFull", "95 open and room for 5", "maxIncomingConnections")
	examine(t, Request{URI: "mongodb://" + s.Address + "/?maxPoolSize=5"}).healthy(t)
}

func TestPool(t *testing.T) {
	s := healthyServer(t)
	r := examine(t, Request{URI: "mongodb://" + s.Address + "/?maxPoolSize=0&maxConnecting=7&minPoolSize=2&waitQueueTimeoutMS=250"})
	r.healthy(t)
	r.says(t, OK, "pool", "any number of connections", "7 opened at a time", "2 kept open", "at most 250 ms")
	r = examine(t, Request{URI: "mongodb://" + s.Address + "/?maxPoolSize=2000000000"})
	if files := openFiles(); files > 0 {
		r.warns(t, "pool.files", "ulimit -n")
	}
}
