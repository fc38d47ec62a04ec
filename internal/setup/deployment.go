package setup

import (
	"slices"
	"strings"
	"time"
)

// The defaults of discovery and selection.
const (
	HeartbeatInterval      = 10 * time.Second
	MinHeartbeatInterval   = 500 * time.Millisecond
	ServerSelectionTimeout = 30 * time.Second
	LocalThreshold         = 15 * time.Millisecond
	SRVServiceName         = "mongodb"
)

// MonitoringModes are the values of serverMonitoringMode.
var MonitoringModes = []string{"auto", "stream", "poll"}

// Deployment is what is said of the servers before they are known.
type Deployment struct {
	// Hosts is how many are named. SRV is set where DNS names them, which may come to
	// several; once it has, Resolved.
	Hosts         int
	SRV, Resolved bool

	Direct, LoadBalanced bool
	ReplicaSet           string

	SRVMaxHosts int
	// SRVMaxHostsGiven and SRVServiceNameGiven count without a value, too.
	SRVMaxHostsGiven, SRVServiceNameGiven bool

	// HeartbeatInterval and MonitoringMode are not looked at where they are zero.
	HeartbeatInterval time.Duration
	MonitoringMode    string
}

// Check reports what does not fit together.
func (d *Deployment) Check() *Error {
	for _, check := range []func() *Error{d.checkTopology, d.checkSRV, d.checkMonitoring} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deployment) checkTopology() *Error {
	const direct, balanced, srv = "directConnection=true", "loadBalanced=true", "mongodb+srv (SRVHost)"
	switch {
	case d.SRV && !d.Resolved && d.Hosts > 0:
		return contradiction("host", "Hosts", srv)
	case d.Direct && d.SRV:
		return contradiction("directConnection", direct, srv)
	case d.Direct && d.Hosts > 1:
		return contradiction("directConnection", direct, "several hosts")
	case d.LoadBalanced && d.Hosts > 1:
		return contradiction("loadBalanced", balanced, "several hosts")
	case d.LoadBalanced && d.ReplicaSet != "":
		return contradiction("loadBalanced", balanced, "replicaSet")
	case d.LoadBalanced && d.Direct:
		return contradiction("loadBalanced", balanced, direct)
	}
	return nil
}

func (d *Deployment) checkSRV() *Error {
	switch {
	case !d.SRV && d.SRVMaxHostsGiven:
		return wrong("srvMaxHosts", "is for mongodb+srv (SRVHost) only")
	case !d.SRV && d.SRVServiceNameGiven:
		return wrong("srvServiceName", "is for mongodb+srv (SRVHost) only")
	case d.SRVMaxHosts < 0:
		return wrong("srvMaxHosts", "%d is negative", d.SRVMaxHosts)
	case d.SRVMaxHosts > 0 && d.ReplicaSet != "":
		return contradiction("srvMaxHosts", "srvMaxHosts", "replicaSet")
	case d.SRVMaxHosts > 0 && d.LoadBalanced:
		return contradiction("srvMaxHosts", "srvMaxHosts", "loadBalanced=true")
	}
	return nil
}

func (d *Deployment) checkMonitoring() *Error {
	if h := d.HeartbeatInterval; h != 0 && h < MinHeartbeatInterval {
		return wrong("heartbeatFrequencyMS", "%v is below the least of %v", h, MinHeartbeatInterval)
	}
	if m := d.MonitoringMode; m != "" && !slices.Contains(MonitoringModes, m) {
		return wrong("serverMonitoringMode", "%q is none of %s", m, strings.Join(MonitoringModes, ", "))
	}
	return nil
}
