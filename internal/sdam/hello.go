package sdam

import (
	"fmt"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
)

// maxMembers bounds the members one reply may list. A replica set has at most
// 50; without a bound a broken server could make the client monitor thousands.
const maxMembers = 256

// Hello is a server's answer to a hello command: what it says of the server, and the
// reply as it came.
type Hello struct {
	Server *Server
	Reply  []byte
}

// ParseHello reads the reply of a hello command, or of its legacy form, into a
// description of the server at address. Fields the reply lacks get the
// specification's defaults; RTT and LastUpdate are left to the caller.
//
// A reply without "ok: 1" gives a *fault.Refusal. A field of the wrong type or out
// of range gives an error that names it: such a server is not safe to talk to.
func ParseHello(address string, reply []byte) (*Server, error) {
	if refused := fault.Refuse(reply); refused != nil && bsonwire.Validate(reply) == nil {
		return nil, refused
	}
	p := helloParser{s: DefaultServer(NormalizeAddress(address), nil)}
	r := bsonwire.NewReader(reply)
	for r.Next() {
		v := r.Value()
		if v.IsNull() {
			continue
		}
		if !p.field(string(r.Key()), v) {
			return nil, fmt.Errorf("hello reply: field %q: %w", r.Key(), p.problem(v))
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("hello reply: %w", err)
	}
	if n := len(p.s.Hosts) + len(p.s.Passives) + len(p.s.Arbiters); n > maxMembers {
		return nil, fmt.Errorf("hello reply: lists %d members, more than the %d that a replica set may have", n, maxMembers)
	}
	if p.s.MinWireVersion > p.s.MaxWireVersion {
		return nil, fmt.Errorf("hello reply: minWireVersion %d is above maxWireVersion %d", p.s.MinWireVersion, p.s.MaxWireVersion)
	}
	p.s.Kind = p.kind()
	return p.s, nil
}

type helloParser struct {
	s   *Server
	err error

	writable   bool // isWritablePrimary, if hasWritable
	hasWrite   bool
	isMaster   bool
	secondary  bool
	replicaSet bool // isreplicaset: started for a set it is not in
	router     bool // msg: isdbgrid
}

// problem says what is wrong with the value that field turned down.
func (p *helloParser) problem(v bsonwire.Value) error {
	if p.err != nil {
		return p.err
	}
	return fmt.Errorf("unexpected BSON type %v", v.Type)
}

func (p *helloParser) kind() ServerKind {
	primary := p.isMaster
	if p.hasWrite {
		primary = p.writable
	}
	switch {
	case p.replicaSet:
		return RSGhost
	case p.router:
		return Mongos
	case p.s.SetName == "":
		return Standalone
	case p.s.Hidden:
		return RSOther
	case primary:
		return RSPrimary
	case p.secondary:
		return RSSecondary
	case p.s.ArbiterOnly:
		return RSArbiter
	default:
		return RSOther
	}
}

// field takes one field of the reply. It returns false when the value cannot be
// used; p.err then tells why, if it is not the type.
func (p *helloParser) field(key string, v bsonwire.Value) bool {
	s := p.s
	switch key {
	case "isWritablePrimary":
		p.hasWrite = true
		return p.bool(v, &p.writable)
	case "ismaster":
		return p.bool(v, &p.isMaster)
	case "secondary":
		return p.bool(v, &p.secondary)
	case "isreplicaset":
		return p.bool(v, &p.replicaSet)
	case "msg":
		msg, ok := v.AsString()
		p.router = ok && msg == "isdbgrid"
		return true
	case "hidden":
		return p.bool(v, &s.Hidden)
	case "arbiterOnly":
		return p.bool(v, &s.ArbiterOnly)
	case "passive":
		return p.bool(v, &s.Passive)
	case "readOnly":
		return p.bool(v, &s.ReadOnly)
	case "helloOk":
		return p.bool(v, &s.HelloOK)
	case "iscryptd":
		return p.bool(v, &s.IsCryptd)
	case "minWireVersion":
		return p.int32(v, &s.MinWireVersion, 0)
	case "maxWireVersion":
		return p.int32(v, &s.MaxWireVersion, 0)
	case "maxBsonObjectSize":
		return p.int32(v, &s.MaxBSONObjectSize, 1)
	case "maxMessageSizeBytes":
		return p.int32(v, &s.MaxMessageSizeBytes, 1)
	case "maxWriteBatchSize":
		return p.int32(v, &s.MaxWriteBatchSize, 1)
	default:
		return p.member(key, v)
	}
}

// member takes the fields that tell of a replica set, sessions and identity.
func (p *helloParser) member(key string, v bsonwire.Value) bool {
	s := p.s
	switch key {
	case "me":
		return p.address(v, &s.CanonicalAddress)
	case "primary":
		return p.address(v, &s.Primary)
	case "hosts":
		return p.addresses(v, &s.Hosts)
	case "passives":
		return p.addresses(v, &s.Passives)
	case "arbiters":
		return p.addresses(v, &s.Arbiters)
	case "tags":
		return p.tags(v)
	case "setName":
		return p.string(v, &s.SetName)
	case "setVersion":
		return p.int64(v, &s.SetVersion)
	case "electionId":
		return p.objectID(v, &s.ElectionID)
	case "lastWrite":
		return p.lastWrite(v)
	case "logicalSessionTimeoutMinutes":
		return p.int64(v, &s.SessionTimeoutMinutes)
	case "topologyVersion":
		tv, ok := ParseTopologyVersion(v)
		s.TopologyVersion = tv
		return ok
	case "compression":
		return p.strings(v, &s.Compression)
	case "saslSupportedMechs":
		return p.strings(v, &s.SASLSupportedMechs)
	case "serviceId":
		return p.objectID(v, &s.ServiceID)
	case "connectionId":
		id, ok := v.AsInt64()
		s.ConnectionID = id
		return ok
	default:
		return true
	}
}
