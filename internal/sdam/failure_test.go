package sdam

import (
	"errors"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// summary is a Decision without the description, to compare.
type summary struct{ unknown, clear, interrupt, cancel, request bool }

func summarize(d Decision) summary {
	return summary{d.Unknown != nil, d.ClearPool, d.Interrupt, d.CancelCheck, d.RequestCheck}
}

func TestOnError(t *testing.T) {
	process := official.NewObjectID()
	s := member("a:1", RSPrimary, "a:1")
	s.TopologyVersion = &TopologyVersion{process, 5}
	down := summary{unknown: true, clear: true, cancel: true}
	for _, c := range []struct {
		name     string
		topology TopologyKind
		failure  Failure
		want     summary
	}{
		{"network", ReplicaSetWithPrimary, Failure{Class: NetworkFailure, HandshakeDone: true, Generation: 3}, down},
		{"network, earlier generation", ReplicaSetWithPrimary, Failure{Class: NetworkFailure, HandshakeDone: true, Generation: 2}, summary{}},
		{"timeout", ReplicaSetWithPrimary, Failure{Class: TimeoutFailure, HandshakeDone: true, Generation: 3}, summary{}},
		{"timeout while authenticating", ReplicaSetWithPrimary, Failure{Class: TimeoutFailure, Generation: 3}, down},
		{"authentication", ReplicaSetWithPrimary, Failure{Class: AuthFailure, Code: 18, Generation: 3}, down},
		{"authentication beside proven connections", ReplicaSetWithPrimary, Failure{Class: AuthFailure, Code: 18, Proven: true, Generation: 3}, summary{}},
		{"network beside proven connections", ReplicaSetWithPrimary, Failure{Class: NetworkFailure, Proven: true, Generation: 3}, down},
		{"handshake command", ReplicaSetWithPrimary, Failure{Class: CommandFailure, Code: 1, Generation: 3}, down},
		{"overloaded while opening", ReplicaSetWithPrimary, Failure{Class: NetworkFailure, Overloaded: true, Generation: 3}, summary{request: true}},
		{"load balancer, overloaded while opening", LoadBalanced, Failure{Class: NetworkFailure, Overloaded: true, ServiceID: &process, Generation: 3}, summary{}},
		{"label after the handshake", ReplicaSetWithPrimary, Failure{Class: NetworkFailure, Overloaded: true, HandshakeDone: true, Generation: 3}, down},
		{"other command error", ReplicaSetWithPrimary, Failure{HandshakeDone: true, Code: 11000, Message: "not master", Generation: 3}, summary{}},
		{"not primary", ReplicaSetWithPrimary, Failure{HandshakeDone: true, Code: 10107, MaxWireVersion: 9, Generation: 3}, summary{unknown: true, request: true}},
		{"not primary before 4.2", ReplicaSetWithPrimary, Failure{HandshakeDone: true, Code: 10107, MaxWireVersion: 7, Generation: 3}, summary{unknown: true, clear: true, request: true}},
		{"not primary by message", ReplicaSetWithPrimary, Failure{HandshakeDone: true, Message: "I am not master", MaxWireVersion: 9, Generation: 3}, summary{unknown: true, request: true}},
		{"shutting down", ReplicaSetWithPrimary, Failure{HandshakeDone: true, Code: 91, MaxWireVersion: 9, Generation: 3}, summary{unknown: true, clear: true, request: true}},
		{"known state", ReplicaSetWithPrimary, Failure{HandshakeDone: true, Code: 91, MaxWireVersion: 9, Generation: 3, TopologyVersion: &TopologyVersion{process, 5}}, summary{}},
		{"newer state", ReplicaSetWithPrimary, Failure{HandshakeDone: true, Code: 189, MaxWireVersion: 9, Generation: 3, TopologyVersion: &TopologyVersion{process, 6}}, summary{unknown: true, request: true}},
		{"load balancer, network", LoadBalanced, Failure{Class: NetworkFailure, HandshakeDone: true, ServiceID: &process, Generation: 3}, summary{clear: true}},
		{"load balancer, before hello", LoadBalanced, Failure{Class: NetworkFailure, Generation: 3}, summary{}},
		{"load balancer, not primary", LoadBalanced, Failure{HandshakeDone: true, ServiceID: &process, Code: 10107, MaxWireVersion: 9, Generation: 3}, summary{}},
		{"load balancer, shutting down", LoadBalanced, Failure{HandshakeDone: true, ServiceID: &process, Code: 91, MaxWireVersion: 9, Generation: 3}, summary{clear: true}},
	} {
		c.failure.Err = errors.New(c.name)
		d := OnError(c.topology, s, 3, &c.failure)
		if got := summarize(d); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
		if d.Unknown != nil && (d.Unknown.Err != c.failure.Err || d.Unknown.Kind != Unknown || d.Unknown.TopologyVersion != c.failure.TopologyVersion) {
			t.Errorf("%s: description %+v", c.name, d.Unknown)
		}
	}
}

func TestOnCheckFailure(t *testing.T) {
	up, unknown := known("a:1", Standalone), DefaultServer("a:1", nil)
	for _, c := range []struct {
		name  string
		prev  *Server
		class FailureClass
		want  summary
	}{
		{"network", up, NetworkFailure, summary{unknown: true, clear: true, request: true}},
		{"network, was down", unknown, NetworkFailure, summary{unknown: true, clear: true}},
		{"timeout", up, TimeoutFailure, summary{unknown: true, clear: true, interrupt: true, request: true}},
		{"command", up, CommandFailure, summary{unknown: true, clear: true}},
	} {
		if got := summarize(OnCheckFailure(c.prev, errors.New(c.name), c.class)); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestRTTMin(t *testing.T) {
	var r RTT
	r.Add(5)
	if r.Min() != 0 || r.Average() != 5 {
		t.Errorf("one sample: min %d, average %d", r.Min(), r.Average())
	}
	for i := range 10 {
		r.Add(20)
		if want := 5; i < 9 && int(r.Min()) != want {
			t.Errorf("sample %d: min %d", i, r.Min())
		}
	}
	if r.Min() != 20 {
		t.Errorf("the lowest of the last ten is %d", r.Min())
	}
	if r.Reset(); r.Min() != 0 || r.Average() != 0 {
		t.Error("reset left samples")
	}
}
