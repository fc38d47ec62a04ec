package setup

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/fault"
)

// Each rule is broken once; the error names the options, belongs to the category,
// and shows no secret.
func TestRules(t *testing.T) {
	const secret = "hunter2"
	login := Credential{Username: "u", Password: secret}
	for _, tt := range []struct {
		name   string
		o      Options
		option string // "" breaks none
		want   string
	}{
		{"nothing", Options{}, "", ""},
		{"two sources of hosts", Options{Deployment: Deployment{SRV: true, Hosts: 1}}, "host", "SRVHost"},
		{"resolved hosts", Options{Deployment: Deployment{SRV: true, Resolved: true, Hosts: 2}}, "", ""},
		{"direct to several", Options{Deployment: Deployment{Hosts: 2, Direct: true}}, "directConnection", "several hosts"},
		{"direct by SRV", Options{Deployment: Deployment{SRV: true, Direct: true}}, "directConnection", "mongodb+srv"},
		{"direct member", Options{Deployment: Deployment{Hosts: 1, Direct: true, ReplicaSet: "rs"}}, "", ""},
		{"balanced to several", Options{Deployment: Deployment{Hosts: 2, LoadBalanced: true}}, "loadBalanced", "several hosts"},
		{"balanced set", Options{Deployment: Deployment{Hosts: 1, LoadBalanced: true, ReplicaSet: "rs"}}, "loadBalanced", "replicaSet"},
		{"balanced and direct", Options{Deployment: Deployment{Hosts: 1, LoadBalanced: true, Direct: true}}, "loadBalanced", "directConnection=true"},
		{"SRV limit without", Options{Deployment: Deployment{Hosts: 1, SRVMaxHostsGiven: true}}, "srvMaxHosts", "mongodb+srv"},
		{"SRV name without", Options{Deployment: Deployment{Hosts: 1, SRVServiceNameGiven: true}}, "srvServiceName", "mongodb+srv"},
		{"SRV limit of a set", Options{Deployment: Deployment{SRV: true, SRVMaxHosts: 1, ReplicaSet: "rs"}}, "srvMaxHosts", "replicaSet"},
		{"no SRV limit of a set", Options{Deployment: Deployment{SRV: true, ReplicaSet: "rs", SRVMaxHostsGiven: true}}, "", ""},
		{"SRV limit balanced", Options{Deployment: Deployment{SRV: true, SRVMaxHosts: 1, LoadBalanced: true}}, "srvMaxHosts", "loadBalanced"},
		{"SRV limit negative", Options{Deployment: Deployment{SRV: true, SRVMaxHosts: -1}}, "srvMaxHosts", "-1"},
		{"heartbeat", Options{Deployment: Deployment{HeartbeatInterval: time.Millisecond}}, "heartbeatFrequencyMS", "500ms"},
		{"mode", Options{Deployment: Deployment{MonitoringMode: "psychic"}}, "serverMonitoringMode", "psychic"},

		{"pool sizes", Options{Connections: Connections{MinPoolSize: 5, MaxPoolSize: new(4)}}, "minPoolSize", "maxPoolSize=4"},
		{"default pool size", Options{Connections: Connections{MinPoolSize: 101}}, "minPoolSize", "maxPoolSize=100"},
		{"no limit", Options{Connections: Connections{MinPoolSize: 101, MaxPoolSize: new(0)}}, "", ""},
		{"negative size", Options{Connections: Connections{MaxPoolSize: new(-1)}}, "maxPoolSize", "-1"},
		{"negative retries", Options{Connections: Connections{MaxAdaptiveRetries: new(-1)}}, "maxAdaptiveRetries", "-1"},
		{"name", Options{Connections: Connections{AppName: strings.Repeat("x", 129)}}, "appName", "128"},
		{"compressor", Options{Connections: Connections{Compressors: []string{"zlib", "zip"}}}, "compressors", `"zip"`},
		{"zlib level", Options{Connections: Connections{ZlibLevel: new(10)}}, "zlibCompressionLevel", "10"},

		{"insecure twice", Options{TLS: &TLS{Insecure: true, AllowInvalidHostnames: true}}, "tlsInsecure", "tlsAllowInvalidHostnames"},
		{"given without effect", Options{TLS: &TLS{Given: func(string) bool { return true }}}, "tlsInsecure", "cannot be used together"},
		{"files without TLS", Options{TLS: &TLS{Enabled: new(false), CAFile: "f", CertFile: "g"}}, "tls", "ssl_certfile, tlsCAFile"},
		{"checks without TLS", Options{TLS: &TLS{Enabled: new(false), CertReqs: "required"}}, "tls", "ssl_cert_reqs=required"},
		{"checks without authorities", Options{TLS: &TLS{CertReqs: "optional"}}, "ssl_cert_reqs", "ssl_ca_certs"},
		{"key alone", Options{TLS: &TLS{KeyFile: "f"}}, "ssl_keyfile", "needs ssl_certfile"},

		{"proxy's port alone", Options{Proxy: &Proxy{PortGiven: true}}, "proxyPort", "needs proxyHost"},
		{"proxy's password alone", Options{Proxy: &Proxy{Password: secret}}, "proxyPassword", "needs proxyHost"},
		{"no proxy", Options{Proxy: &Proxy{}}, "proxyHost", "empty"},
		{"proxy's port", Options{Proxy: &Proxy{Host: "p", Port: 70000}}, "proxyPort", "65535"},
		{"half a login", Options{Proxy: &Proxy{Host: "p", Username: "u"}}, "proxyUsername", "needs proxyPassword"},
		{"the other half", Options{Proxy: &Proxy{Host: "p", Password: secret}}, "proxyPassword", "needs proxyUsername"},
		{"long name", Options{Proxy: &Proxy{Host: "p", Username: strings.Repeat("a", 256), Password: secret}}, "proxyUsername", "256"},
		{"long password", Options{Proxy: &Proxy{Host: "p", Username: "u", Password: strings.Repeat(secret, 99)}}, "proxyPassword", "255"},

		{"tags of the primary", Options{Reads: Reads{Tagged: true}}, "readPreferenceTags", "other than primary"},
		{"staleness of the primary", Options{Reads: Reads{Mode: "primary", MaxStaleness: time.Hour}}, "maxStalenessSeconds", "other than primary"},
		{"too stale", Options{Reads: Reads{Mode: "nearest", MaxStaleness: 89 * time.Second}}, "maxStalenessSeconds", "90"},
		{"unknown mode", Options{Reads: Reads{Mode: "Mode(7)"}}, "readPreference", "not known"},

		{"journal of nothing", Options{Writes: Writes{W: 0, Journal: new(true)}}, "journal", "w=0"},
		{"fsync of nothing", Options{Writes: Writes{W: 0, Fsync: new(true)}}, "fsync", "w=0"},
		{"safe=false overruled", Options{Writes: Writes{Safe: new(false), Fsync: new(true)}}, "", ""},
		{"w before safe", Options{Writes: Writes{W: 1, Safe: new(false), Journal: new(true)}}, "", ""},
		{"journal and fsync", Options{Writes: Writes{Fsync: new(true), Journal: new(true)}}, "fsync", "journal=true"},
		{"negative w", Options{Writes: Writes{W: -1}}, "w", "-1"},
		{"fraction", Options{Writes: Writes{W: 1.5}}, "w", "float64"},
		{"negative timeout", Options{Writes: Writes{Timeout: -1}}, "wTimeoutMS", "negative"},

		{"user without password", Options{Credential: &Credential{Username: "u"}}, "", ""}, // code may have it
		{"login", Options{Credential: &login}, "", ""},
		{"nobody", Options{Credential: &Credential{Password: secret}}, "user name", "authMechanism"},
		{"SCRAM's properties", Options{Credential: &Credential{Username: "u", Properties: map[string]string{"X": secret}}}, "authMechanismProperties", `"X"`},
		{"a property twice", Options{Credential: &Credential{Mechanism: AWS, Username: "u", Password: "p", Properties: map[string]string{SessionToken: secret, "aws_session_token": secret}}}, "authMechanismProperties", "more than once"},
	} {
		err := tt.o.Check()
		switch {
		case tt.option == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.option == "":
		case err == nil || err.Option != tt.option || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: %v, want one of %s that says %q", tt.name, err, tt.option, tt.want)
		case strings.Contains(err.Error(), secret):
			t.Errorf("%s: %v shows a secret", tt.name, err)
		case !slices.Contains(fault.Categories(error(err)), fault.ErrConfiguration):
			t.Errorf("%s: %v is of no category", tt.name, err)
		}
	}
}

// safe=false counts alone.
func TestEffectiveW(t *testing.T) {
	for _, tt := range []struct {
		w    Writes
		want any
	}{
		{Writes{}, nil}, {Writes{W: 2}, 2}, {Writes{Safe: new(true)}, 1}, {Writes{Safe: new(false)}, 0},
		{Writes{Safe: new(false), W: "majority"}, "majority"}, {Writes{Safe: new(true), W: 0}, 0},
		{Writes{Safe: new(false), Journal: new(true)}, nil}, {Writes{Safe: new(false), Fsync: new(false)}, nil},
		{Writes{Safe: new(false), Timeout: 1}, nil}, {Writes{Safe: new(false), TimeoutGiven: true}, nil},
		{Writes{Safe: new(true), Journal: new(true)}, 1},
	} {
		if got := tt.w.Effective(); got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.w, got, tt.want)
		}
	}
}

// TLS is on where it is asked for, or where an option has no sense without it.
func TestTLSOn(t *testing.T) {
	for _, tt := range []struct {
		tls  *TLS
		want bool
	}{
		{nil, false}, {&TLS{}, false}, {&TLS{Enabled: new(true)}, true}, {&TLS{SRV: true}, true},
		{&TLS{SRV: true, Enabled: new(false)}, false}, {&TLS{CAFile: "f"}, true}, {&TLS{CertFile: "f"}, true},
		{&TLS{CertReqs: "none"}, true}, {&TLS{Insecure: true}, true}, {&TLS{DisableRevocationCheck: true}, true},
	} {
		if got := tt.tls.On(); got != tt.want {
			t.Errorf("%+v: %v", tt.tls, got)
		}
	}
}

// A resolved credential is a copy, and Complete needs what code supplies.
func TestCredentialResolve(t *testing.T) {
	given := &Credential{Mechanism: OIDC, Properties: map[string]string{"environment": "azure", "token_resource": "r"}, Database: "shop"}
	full, err := given.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if full.Source != External || full.Properties[Environment] != "azure" || len(full.Properties) != 2 || given.Properties["environment"] != "azure" || given.Source != "" {
		t.Errorf("%+v of %+v", full, given)
	}
	for _, tt := range []struct {
		with Callbacks
		ok   bool
	}{
		{Callbacks{}, true}, {Callbacks{Machine: true}, false}, {Callbacks{Human: true}, false}, {Callbacks{AllowedHosts: true}, false},
	} {
		if err := full.Complete(tt.with); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.with, err)
		}
	}
	var e error = (&Credential{Mechanism: ScramSHA256, Username: "u"}).Complete(Callbacks{})
	var wrong *Error
	if !errors.As(e, &wrong) || wrong.Option != "password" {
		t.Errorf("no password: %v", e)
	}
}
