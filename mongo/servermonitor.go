package mongo

import (
	"fmt"

	mgxevent "github.com/mgxdb/mgx/event"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/address"
	"go.mongodb.org/mongo-driver/v2/tag"
)

// tell calls a monitor's function, if there is one.
func tell[T any](f func(*T), e T) {
	if f != nil {
		f(&e)
	}
}

// serverMonitor tells the official monitor of mgx's events.
func serverMonitor(m *event.ServerMonitor) func(mgxevent.TopologyEvent) {
	return func(e mgxevent.TopologyEvent) {
		switch e := e.(type) {
		case mgxevent.TopologyOpening:
			tell(m.TopologyOpening, event.TopologyOpeningEvent{TopologyID: e.TopologyID})
		case mgxevent.TopologyDescriptionChanged:
			tell(m.TopologyDescriptionChanged, event.TopologyDescriptionChangedEvent{
				TopologyID: e.TopologyID, PreviousDescription: topologyDescription(e.Previous), NewDescription: topologyDescription(e.New),
			})
		case mgxevent.TopologyClosed:
			tell(m.TopologyClosed, event.TopologyClosedEvent{TopologyID: e.TopologyID})
		case mgxevent.ServerOpening:
			tell(m.ServerOpening, event.ServerOpeningEvent{Address: address.Address(e.Address), TopologyID: e.TopologyID})
		case mgxevent.ServerClosed:
			tell(m.ServerClosed, event.ServerClosedEvent{Address: address.Address(e.Address), TopologyID: e.TopologyID})
		case mgxevent.ServerDescriptionChanged:
			tell(m.ServerDescriptionChanged, event.ServerDescriptionChangedEvent{
				Address: address.Address(e.Address), TopologyID: e.TopologyID,
				PreviousDescription: serverDescription(e.Previous), NewDescription: serverDescription(e.New),
			})
		default:
			tellHeartbeat(m, e)
		}
	}
}

func tellHeartbeat(m *event.ServerMonitor, e mgxevent.TopologyEvent) {
	switch e := e.(type) {
	case mgxevent.ServerHeartbeatStarted:
		tell(m.ServerHeartbeatStarted, event.ServerHeartbeatStartedEvent{
			ConnectionID: heartbeatID(e.Address, e.ConnectionID), Awaited: e.Awaited,
		})
	case mgxevent.ServerHeartbeatSucceeded:
		tell(m.ServerHeartbeatSucceeded, event.ServerHeartbeatSucceededEvent{
			ConnectionID: heartbeatID(e.Address, e.ConnectionID), Awaited: e.Awaited, Duration: e.Duration,
			Reply: helloReply(e),
		})
	case mgxevent.ServerHeartbeatFailed:
		tell(m.ServerHeartbeatFailed, event.ServerHeartbeatFailedEvent{
			ConnectionID: heartbeatID(e.Address, e.ConnectionID), Awaited: e.Awaited, Duration: e.Duration, Failure: convert(e.Err),
		})
	}
}

func heartbeatID(addr string, id int64) string { return fmt.Sprintf("%s[-%d]", addr, id) }

func topologyDescription(d mgxevent.TopologyDescription) event.TopologyDescription {
	to := event.TopologyDescription{
		SetName: d.SetName, Kind: d.Kind, SessionTimeoutMinutes: d.SessionTimeoutMinutes, CompatibilityErr: d.CompatibilityError,
	}
	for _, s := range d.Servers {
		to.Servers = append(to.Servers, serverDescription(s))
	}
	return to
}

// serverDescription has what mgx's descriptions have.
func serverDescription(d mgxevent.ServerDescription) event.ServerDescription {
	to := event.ServerDescription{
		Addr: address.Address(d.Address), Arbiters: d.Arbiters, CanonicalAddr: address.Address(d.CanonicalAddress),
		Hosts: d.Hosts, Kind: d.Kind, LastWriteTime: d.LastWrite, MaxWireVersion: d.MaxWireVersion, MinWireVersion: d.MinWireVersion,
		Passives: d.Passives, Primary: address.Address(d.Primary), SessionTimeoutMinutes: d.SessionTimeoutMinutes, SetName: d.SetName,
	}
	for _, list := range [][]string{d.Hosts, d.Arbiters, d.Passives} {
		for _, member := range list {
			to.Members = append(to.Members, address.Address(member).Canonicalize())
		}
	}
	if len(d.Tags) > 0 {
		to.Tags = tag.NewTagSetFromMap(d.Tags)
	}
	if d.ElectionID != nil {
		to.ElectionID = *d.ElectionID
	}
	if d.SetVersion != nil {
		to.SetVersion = uint32(*d.SetVersion)
	}
	return to
}

// helloReply is what a server said of itself.
func helloReply(e mgxevent.ServerHeartbeatSucceeded) event.ServerDescription {
	var hello struct {
		Me                string            `bson:"me"`
		Hosts             []string          `bson:"hosts"`
		Passives          []string          `bson:"passives"`
		Arbiters          []string          `bson:"arbiters"`
		Primary           string            `bson:"primary"`
		SetName           string            `bson:"setName"`
		SetVersion        *int64            `bson:"setVersion"`
		Tags              map[string]string `bson:"tags"`
		Min               int32             `bson:"minWireVersion"`
		Max               int32             `bson:"maxWireVersion"`
		HelloOK           bool              `bson:"helloOk"`
		ReadOnly          bool              `bson:"readOnly"`
		Passive           bool              `bson:"passive"`
		Compression       []string          `bson:"compression"`
		MaxBSONObjectSize int64             `bson:"maxBsonObjectSize"`
		MaxMessageSize    int64             `bson:"maxMessageSizeBytes"`
		MaxWriteBatchSize int64             `bson:"maxWriteBatchSize"`
		Timeout           *int64            `bson:"logicalSessionTimeoutMinutes"`
		IsWritablePrimary bool              `bson:"isWritablePrimary"`
		IsMaster          bool              `bson:"ismaster"`
		Secondary         bool              `bson:"secondary"`
		ArbiterOnly       bool              `bson:"arbiterOnly"`
		Msg               string            `bson:"msg"`
	}
	if err := (codec{}).decode(e.Reply, &hello); err != nil {
		return event.ServerDescription{Addr: address.Address(e.Address), Kind: "Unknown"}
	}
	d := mgxevent.ServerDescription{
		Address: e.Address, CanonicalAddress: hello.Me, Hosts: hello.Hosts, Passives: hello.Passives, Arbiters: hello.Arbiters,
		Primary: hello.Primary, SetName: hello.SetName, SetVersion: hello.SetVersion, Tags: hello.Tags,
		MinWireVersion: hello.Min, MaxWireVersion: hello.Max, SessionTimeoutMinutes: hello.Timeout,
	}
	primary := hello.IsWritablePrimary || hello.IsMaster
	switch {
	case hello.Msg == "isdbgrid":
		d.Kind = "Mongos"
	case hello.SetName == "":
		d.Kind = "Standalone"
	case primary:
		d.Kind = "RSPrimary"
	case hello.Secondary:
		d.Kind = "RSSecondary"
	case hello.ArbiterOnly:
		d.Kind = "RSArbiter"
	default:
		d.Kind = "RSOther"
	}
	to := serverDescription(d)
	to.Compression, to.HelloOK, to.ReadOnly, to.Passive = hello.Compression, hello.HelloOK, hello.ReadOnly, hello.Passive
	to.MaxDocumentSize, to.MaxMessageSize, to.MaxBatchCount = uint32(hello.MaxBSONObjectSize), uint32(hello.MaxMessageSize), uint32(hello.MaxWriteBatchSize)
	return to
}
