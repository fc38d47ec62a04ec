package sdam

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// The limits that apply where a hello reply does not tell them.
const (
	DefaultMaxBSONObjectSize   = 16_777_216
	DefaultMaxMessageSizeBytes = 48_000_000
	DefaultMaxWriteBatchSize   = 100_000
)

// CommandOverhead is what servers accept around a document of maximum size, in bytes.
const CommandOverhead = 16 << 10

// Server describes one server, from its last hello reply. A published Server
// never changes: it is passed by pointer and replaced as a whole, so readers
// need no lock. Slices, maps and pointers in it are shared; do not modify them.
type Server struct {
	// Address is where the client reaches the server: a lower-case "host:port",
	// or the path of a Unix domain socket.
	Address string
	Kind    ServerKind
	// Err is why the server is Unknown; nil otherwise, and before its first check.
	Err error

	// RTT is the moving average of the round trip time, MinRTT the lowest of the
	// recent samples (0 until there are two). Both are 0 while Kind is Unknown.
	RTT    time.Duration
	MinRTT time.Duration

	MinWireVersion int32
	MaxWireVersion int32

	// CanonicalAddress is the reply's "me": the address the replica set
	// configuration has for this server.
	CanonicalAddress string
	// Hosts, Passives and Arbiters are the members that this server knows of.
	Hosts    []string
	Passives []string
	Arbiters []string
	Tags     TagSet

	SetName    string
	SetVersion *int64
	ElectionID *bson.ObjectID
	// Primary is the address of the member that this one takes for the primary.
	Primary string

	// LastWrite is the primary's wall-clock time of the last write this member
	// has; zero when not reported.
	LastWrite time.Time
	// LastUpdate is when the client got the reply. Whoever calls ParseHello sets
	// it before publishing the description.
	LastUpdate time.Time

	// SessionTimeoutMinutes is nil where the server has no sessions.
	SessionTimeoutMinutes *int64
	// TopologyVersion is nil where the server does not stream hello replies.
	TopologyVersion *TopologyVersion

	MaxBSONObjectSize   int32
	MaxMessageSizeBytes int32
	MaxWriteBatchSize   int32

	// HelloOK reports whether the server knows the hello command, not just its legacy
	// name.
	HelloOK            bool
	Compression        []string
	SASLSupportedMechs []string
	// ServiceID names the service behind a load balancer; nil elsewhere.
	ServiceID *bson.ObjectID
	// ConnectionID is the server's number for the connection that carried the
	// reply; 0 when not reported.
	ConnectionID int64

	ReadOnly    bool
	Hidden      bool
	ArbiterOnly bool
	Passive     bool
	// IsCryptd reports whether the server is mongocryptd.
	IsCryptd bool
}

// DefaultServer describes a server that nothing is known of: Unknown, with err
// as the reason (nil if it was never checked).
func DefaultServer(address string, err error) *Server {
	return &Server{
		Address:             address,
		Err:                 err,
		MaxBSONObjectSize:   DefaultMaxBSONObjectSize,
		MaxMessageSizeBytes: DefaultMaxMessageSizeBytes,
		MaxWriteBatchSize:   DefaultMaxWriteBatchSize,
	}
}

// LoadBalancerServer describes the server of a load-balanced deployment.
func LoadBalancerServer(address string) *Server {
	s := DefaultServer(address, nil)
	s.Kind = LoadBalancer
	return s
}

// DataBearing reports whether the server can serve application data.
func (s *Server) DataBearing() bool { return s.Kind.DataBearing() }

// HasMember reports whether the server lists address as a member of its set.
func (s *Server) HasMember(address string) bool {
	return slices.Contains(s.Hosts, address) || slices.Contains(s.Passives, address) ||
		slices.Contains(s.Arbiters, address)
}

// compatible reports whether server and client share a wire version.
func (s *Server) compatible() bool {
	return !s.Kind.Available() || s.Kind == LoadBalancer ||
		s.MinWireVersion <= wireversion.Max && s.MaxWireVersion >= wireversion.Min
}

// Equal compares two descriptions by the fields that make a change worth an
// event: round trip times, last write and last update do not count.
func (s *Server) Equal(o *Server) bool {
	if s == o {
		return true
	}
	if s == nil || o == nil {
		return false
	}
	return s.Address == o.Address && s.Kind == o.Kind && equalError(s.Err, o.Err) &&
		s.MinWireVersion == o.MinWireVersion && s.MaxWireVersion == o.MaxWireVersion &&
		s.CanonicalAddress == o.CanonicalAddress &&
		sameAddresses(s.Hosts, o.Hosts) && sameAddresses(s.Passives, o.Passives) &&
		sameAddresses(s.Arbiters, o.Arbiters) &&
		maps.Equal(s.Tags, o.Tags) && s.SetName == o.SetName &&
		equalPointer(s.SetVersion, o.SetVersion) && equalPointer(s.ElectionID, o.ElectionID) &&
		s.Primary == o.Primary && equalPointer(s.SessionTimeoutMinutes, o.SessionTimeoutMinutes) &&
		equalPointer(s.TopologyVersion, o.TopologyVersion) && s.IsCryptd == o.IsCryptd
}

func equalError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error()
}

func equalPointer[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameAddresses compares two lists as sets.
func sameAddresses(a, b []string) bool {
	if slices.Equal(a, b) {
		return true
	}
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			return false
		}
	}
	return true
}

// TopologyVersion orders what one server process says about itself.
type TopologyVersion struct {
	ProcessID bson.ObjectID
	Counter   int64
}

// Compare returns -1, 0 or 1 as v is older than, the same as, or newer than o.
// Versions that cannot be compared (one is nil, or they are from different
// processes) count as older, so that whatever arrives later wins.
func (v *TopologyVersion) Compare(o *TopologyVersion) int {
	switch {
	case v == nil || o == nil || v.ProcessID != o.ProcessID:
		return -1
	case v.Counter == o.Counter:
		return 0
	case v.Counter < o.Counter:
		return -1
	default:
		return 1
	}
}

// NormalizeAddress brings an address into the form that descriptions are keyed
// by: host name in lower case, port 27017 where there is none. The path of a
// Unix domain socket stays as it is.
func NormalizeAddress(address string) string {
	if network, _ := connstring.SplitHost(address); network == "unix" {
		return address
	}
	address = strings.ToLower(address)
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	host := strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	return net.JoinHostPort(host, strconv.Itoa(connstring.DefaultPort))
}
