package mgx

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

func ptr[T any](v T) *T { return &v }

// Options that cannot be are refused, by the names that connection strings have
// for them.
func TestOptionsRefused(t *testing.T) {
	oidc := func(context.Context, OIDCArgs) (OIDCToken, error) { return OIDCToken{}, nil }
	for _, tt := range []struct {
		name string
		o    Options
		want []string
	}{
		{"pool sizes", Options{MinPoolSize: 5, MaxPoolSize: ptr(4)}, []string{"minPoolSize", "maxPoolSize"}},
		{"default pool size", Options{MinPoolSize: 101}, []string{"minPoolSize", "maxPoolSize"}},
		{"negative", Options{MaxConnecting: -1}, []string{"maxConnecting"}},
		{"direct to several", Options{Hosts: []string{"a", "b"}, DirectConnection: ptr(true)}, []string{"directConnection=true", "several hosts"}},
		{"direct and SRV", Options{SRVHost: "a.b.c", DirectConnection: ptr(true)}, []string{"SRVHost", "directConnection=true"}},
		{"balanced to several", Options{Hosts: []string{"a", "b"}, LoadBalanced: ptr(true)}, []string{"loadBalanced=true", "several hosts"}},
		{"balanced set", Options{ReplicaSet: "rs", LoadBalanced: ptr(true)}, []string{"loadBalanced=true", "replicaSet"}},
		{"balanced and direct", Options{DirectConnection: ptr(true), LoadBalanced: ptr(true)}, []string{"loadBalanced=true", "directConnection=true"}},
		{"two sources of hosts", Options{SRVHost: "a.b.c", Hosts: []string{"a"}}, []string{"SRVHost", "Hosts"}},
		{"SRV options without", Options{SRVMaxHosts: 3}, []string{"srvMaxHosts", "SRVHost"}},
		{"SRV limit with a set", Options{SRVHost: "a.b.c", SRVMaxHosts: 3, ReplicaSet: "rs"}, []string{"srvMaxHosts", "replicaSet"}},
		{"SRV limit balanced", Options{SRVHost: "a.b.c", SRVMaxHosts: 3, LoadBalanced: ptr(true)}, []string{"srvMaxHosts", "loadBalanced=true"}},
		{"SRV limit negative", Options{SRVHost: "a.b.c", SRVMaxHosts: -3}, []string{"srvMaxHosts"}},
		{"heartbeat", Options{HeartbeatInterval: time.Millisecond}, []string{"heartbeatFrequencyMS", "500ms"}},
		{"monitoring mode", Options{ServerMonitoringMode: "psychic"}, []string{"serverMonitoringMode", "psychic"}},
		{"host", Options{Hosts: []string{"a:70000"}}, []string{"port"}},
		{"URI as host", Options{Hosts: []string{"mongodb://u:hunter2@h/?tls=true"}}, []string{"ParseHosts"}},
		{"name", Options{AppName: strings.Repeat("x", 129)}, []string{"appName", "128"}},
		{"wrapper", Options{WrapperInfo: []WrapperInfo{{Name: "a|b"}}}, []string{"wrapper"}},
		{"API", Options{ServerAPI: &ServerAPI{Version: "2"}}, []string{"ServerAPI"}},
		{"tags of the primary", Options{ReadPreference: ReadPreference{TagSets: []map[string]string{{"a": "b"}}}}, []string{"primary"}},
		{"write concern", Options{WriteConcern: WriteConcern{W: 0, Journal: ptr(true)}}, []string{"w=0", "journal"}},
		{"journal and fsync", Options{WriteConcern: WriteConcern{Fsync: ptr(true), Journal: ptr(true)}}, []string{"fsync", "journal"}},
		{"compressor", Options{Compressors: []string{"zip"}}, []string{"compressors", "zip"}},
		{"zlib level", Options{Compressors: []string{"zlib"}, ZlibLevel: ptr(10)}, []string{"zlibCompressionLevel", "10"}},
		{"proxy without a host", Options{Proxy: &Proxy{Port: 1080}}, []string{"proxyHost"}},
		{"proxy's port", Options{Proxy: &Proxy{Host: "p", Port: 70000}}, []string{"proxyPort", "70000"}},
		{"half a login to the proxy", Options{Proxy: &Proxy{Host: "p", Username: "u"}}, []string{"proxyUsername", "proxyPassword"}},
		{"empty credential", Options{Credential: &Credential{Password: "hunter2"}}, []string{"authMechanism"}},
		{"no password", Options{Credential: &Credential{Username: "u"}}, []string{"password"}},
		{"no user", Options{Credential: &Credential{Mechanism: "SCRAM-SHA-256"}}, []string{"user name"}},
		{"mechanism", Options{Credential: &Credential{Username: "u", Password: "p", Mechanism: "MAGIC"}}, []string{"authMechanism", "MAGIC"}},
		{"Kerberos", Options{Credential: &Credential{Username: "u", Mechanism: "GSSAPI"}}, []string{"GSSAPI", "not supported"}},
		{"X.509 elsewhere", Options{Credential: &Credential{Mechanism: "MONGODB-X509", Source: "admin"}}, []string{"authSource", "$external"}},
		{"OIDC without a callback", Options{Credential: &Credential{Mechanism: "MONGODB-OIDC"}}, []string{"callback"}},
		{"OIDC with both", Options{Credential: &Credential{Mechanism: "MONGODB-OIDC", OIDCCallback: oidc, Properties: map[string]string{"ENVIRONMENT": "test"}}}, []string{"callback", "not both"}},
		{"TLS", Options{TLS: &TLS{Insecure: true, AllowInvalidHostnames: true}}, []string{"tlsInsecure", "tlsAllowInvalidHostnames"}},
	} {
		c, err := New(&tt.o)
		if err == nil {
			_ = c.Close(t.Context())
		}
		if !errors.Is(err, ErrConfiguration) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not name %s", tt.name, err, want)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q shows the password", tt.name, err)
		}
	}
}

// The classic client's list of hosts and URIs, its port, and its options.
func TestParseHosts(t *testing.T) {
	o, err := ParseHosts([]string{"a", "b:1", "mongodb://u:p@c/shop?w=2", "mongodb://v:q@d,a:27018/store"}, 27018)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a:27018", "b:1", "c:27018", "d:27018"}; !reflect.DeepEqual(o.Hosts, want) {
		t.Errorf("hosts %v", o.Hosts)
	}
	if o.Database != "store" || o.Credential.Username != "v" || o.Credential.Password != "q" || o.WriteConcern.W != 2 {
		t.Errorf("%+v", o)
	}
	for _, bad := range []int{-1, 65536} {
		if _, err := ParseHosts([]string{"a"}, bad); !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), "65535") {
			t.Errorf("port %d: %v", bad, err)
		}
	}
	for _, uri := range []string{
		"mongodb://h/?ssl=false&ssl_certfile=f", "mongodb://h/?ssl_cert_reqs=required", "mongodb://h/?ssl_cert_reqs=optional&ssl=true", "mongodb://h/?ssl_keyfile=f",
		"mongodb://h/?ssl_cert_reqs=perhaps",
	} {
		if _, err := ParseURI(uri); !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), "ssl_") {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for _, uri := range []string{"mongodb://h/?ssl_certfile=f", "mongodb://h/?ssl_ca_certs=f", "mongodb://h/?ssl_certfile=f&ssl_keyfile=g"} {
		if o, err := ParseURI(uri); err != nil || o.TLS == nil {
			t.Errorf("%s implies TLS: %v", uri, err)
		}
	}
}

// No way to print options shows a secret.
func TestOptionsSecrets(t *testing.T) {
	o, err := ParseURI("mongodb://tea:hunter2@h/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:hunter2" +
		"&tlsCertificateKeyFile=f&tlsCertificateKeyFilePassword=hunter2&proxyHost=p&proxyUsername=u&proxyPassword=hunter2&w=majority&maxPoolSize=7&tz_aware=true")
	if err != nil {
		t.Fatal(err)
	}
	o.Logger, o.DocumentType, o.Resolver = slog.Default(), reflect.TypeFor[bson.M](), net.DefaultResolver
	o.TLS.Config = &tls.Config{}
	o.DialContext = new(net.Dialer).DialContext
	type config struct {
		Options    Options
		Credential *Credential
		TLS        *TLS
		Proxy      Proxy
	}
	for _, v := range []any{o, *o, o.Credential, *o.Credential, o.TLS, *o.TLS, o.Proxy, *o.Proxy, config{*o, o.Credential, o.TLS, *o.Proxy}} {
		var shown []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("tea", "options", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("tea", "options", v)
		for _, s := range append(shown, string(b), log.String()) {
			if strings.Contains(s, "hunter2") || strings.Contains(s, fmt.Sprintf("%x", "hunter2")) {
				t.Errorf("%s shows a secret", s)
			}
		}
	}
	for _, want := range []string{"Hosts: [h:27017]", "Username: tea", "WriteConcern: {w: majority}", "MaxPoolSize: 7", "TimeLocation: UTC", "DocumentType: bson.M", "Resolver: *net.Resolver", "DialContext: set", `Proxy: {p:1080 as "u"}`} {
		if s := o.String(); !strings.Contains(s, want) {
			t.Errorf("%s does not say %s", s, want)
		}
	}
}

// What is understood and not acted upon is a warning, which the logger gets.
func TestWarnings(t *testing.T) {
	uri := "mongodb://u:p@h/?serverSelectionTryOnce=true&authMechanism=PLAIN&tea=pot&serverSelectionTimeoutMS=1"
	o, err := ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, name := range []string{"serverSelectionTryOnce", "authMechanism", "tea"} {
		found := false
		for _, w := range o.Warnings() {
			found = found || w.Option == name
		}
		if !found || !strings.Contains(log.String(), "option="+name) {
			t.Errorf("no warning about %s", name)
		}
	}
	if n := len(o.Warnings()); n != 3 {
		t.Errorf("%d warnings: %v", n, o.Warnings())
	}
}

// Nobody has to ask for warnings: without a Logger, the default one gets them.
func TestWarningsWithoutLogger(t *testing.T) {
	var log strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	c := mustNew(t, "mongodb://h/?timeoutMS=soon&replicatSet=rs")
	defer c.Close(t.Context())
	for _, want := range []string{"level=WARN", "option=timeoutMS", "option=replicatSet", "did you mean replicaSet?"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, log.String())
		}
	}
}

func mustNew(t *testing.T, uri string) *Client {
	t.Helper()
	o, err := ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// However true is spelled, connections are encrypted or there is an error, and never
// plain.
func TestNeverPlainByMistake(t *testing.T) {
	for _, name := range []string{"tls", "ssl", "TLS"} {
		for _, v := range []string{"true", "True", "TRUE", "on", "On", "1", "yes", "y", "t", "", "enabled", "require", "2", "%20true", "true%0A", "'true'"} {
			o, err := ParseURI("mongodb://h/?" + name + "=" + v)
			if err == nil && o.TLS == nil || err != nil && !errors.Is(err, ErrConfiguration) {
				t.Errorf("%s=%s: %v, %v", name, v, o, err)
			}
		}
		for _, v := range []string{"false", "False", "off", "0"} {
			if o, err := ParseURI("mongodb://h/?" + name + "=" + v); err != nil || o.TLS != nil {
				t.Errorf("%s=%s: %v, %v", name, v, o, err)
			}
		}
	}
	for _, o := range []string{
		"tlsCAFile=", "tlsCertificateKeyFile=", "tlsCertificateFile=", "tlsPrivateKeyFile=", "sslCertificateAuthorityFile=", "sslClientCertificateKeyFile=",
		"ssl_cert_reqs=", "useSSL=true", "tlsEnabled=true", "tls%20=true", "amp;tls=true", "w=1&amp;tls=true", "tls", "tls:true",
	} {
		if o, err := ParseURI("mongodb://h/?" + o); !errors.Is(err, ErrConfiguration) {
			t.Errorf("%v, %v", o, err)
		}
	}
	for _, o := range []string{
		"tlsCAFile=f", "tlsCertificateKeyFile=f", "tlsCertificateFile=f&tlsPrivateKeyFile=g", "sslCertificateAuthorityFile=f", "sslClientCertificateKeyFile=f",
		"tlsInsecure=on", "sslInsecure=true", "ssl_match_hostname=false",
	} {
		if o, err := ParseURI("mongodb://h/?" + o); err != nil || o.TLS == nil {
			t.Errorf("%v, %v", o, err)
		}
	}
	if o, err := ParseHosts([]string{"mongodb://a/?tls=true", "mongodb://b/?tls=false"}, 0); !errors.Is(err, ErrConfiguration) {
		t.Errorf("%v, %v", o, err)
	}
}

// What was meant as an option is not taken for a database or a value.
func TestMisplacedOptions(t *testing.T) {
	for _, uri := range []string{
		"mongodb://h/db&replicaSet=rs0", "mongodb://h/replicaSet=rs0", "mongodb://h/db.coll", "mongodb://h/db.coll?w=1",
		"mongodb://h/?w=1;wtimeout=3&j=true", "mongodb://h/?w", "mongodb://h/?w=1?j=true&w=2",
	} {
		if o, err := ParseURI(uri); !errors.Is(err, ErrConfiguration) {
			t.Errorf("%s: %v, %v", uri, o, err)
		}
	}
}

// fakeDNS has the records of one name.
type fakeDNS struct {
	srv []*net.SRV
	txt []string
}

func (d fakeDNS) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", d.srv, nil
}
func (d fakeDNS) LookupTXT(context.Context, string) ([]string, error) { return d.txt, nil }

// What the URI says goes before what the TXT record says.
func TestSRV(t *testing.T) {
	records := []*net.SRV{{Target: "one.example.com.", Port: 1}, {Target: "two.example.com.", Port: 2}}
	for _, tt := range []struct {
		uri, txt      string
		source, set   string
		balanced      *bool
		warned, fails bool
	}{
		{"mongodb+srv://u:p@db.example.com/", "authSource=users&replicaSet=rs", "users", "rs", nil, false, false},
		{"mongodb+srv://u:p@db.example.com/?authSource=mine&replicaSet=own", "authSource=users&replicaSet=rs", "mine", "own", nil, false, false},
		{"mongodb+srv://u:p@db.example.com/shop", "", "", "", nil, false, false},
		{"mongodb+srv://u:p@db.example.com/?loadBalanced=false", "loadBalanced=true", "", "", ptr(false), false, false},
		{"mongodb+srv://u:p@db.example.com/", "loadBalanced=true", "", "", nil, false, true}, // two hosts
		{"mongodb+srv://u:p@db.example.com/?srvMaxHosts=1", "replicaSet=rs", "", "", nil, false, true},
		{"mongodb+srv://u:p@db.example.com/", "authSource=users&authSource=users", "users", "", nil, true, false},
		{"mongodb+srv://u:p@db.example.com/", "tls=false", "", "", nil, false, true},
	} {
		o, err := ParseURI(tt.uri)
		if err != nil {
			t.Fatal(err)
		}
		o.Resolver = fakeDNS{records, []string{tt.txt}}
		if tt.txt == "" {
			o.Resolver = fakeDNS{srv: records}
		}
		var ready prepared
		if ready, err = o.prepare(); err == nil {
			_, err = ready.resolve(t.Context())
		}
		if tt.fails {
			if !errors.Is(err, ErrConfiguration) {
				t.Errorf("%s with %q: %v", tt.uri, tt.txt, err)
			}
			continue
		}
		if err != nil || o.Credential.Source != tt.source || o.ReplicaSet != tt.set || !reflect.DeepEqual(o.LoadBalanced, tt.balanced) || (len(o.warnings) > 0) != tt.warned {
			t.Errorf("%s with %q: %v, %v, %v", tt.uri, tt.txt, o, o.warnings, err)
		}
		if o.TLS == nil || len(o.Hosts) != 2 {
			t.Errorf("%s: %v", tt.uri, o)
		}
	}
}

// The name of the set is compared with what the servers say.
func TestReplicaSetIsVerified(t *testing.T) {
	member := func(set string) string {
		return scripted.Listen(t, func(p *scripted.Peer) {
			hello := scripted.Hello(
				bson.E{Key: "setName", Value: set}, bson.E{Key: "hosts", Value: bson.A{p.LocalAddr().String()}}, bson.E{Key: "me", Value: p.LocalAddr().String()})
			scripted.Greet(hello, scripted.Ping)(p)
		}).Address
	}
	standalone := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping)).Address
	for _, tt := range []struct{ address, options, want string }{
		{member("tea"), "replicaSet=tea", ""},
		{member("tea"), "replicaSet=coffee", "coffee"},
		{member("tea"), "replicaSet=coffee&directConnection=true", `"tea"`},
		{standalone, "replicaSet=coffee", "coffee"},
	} {
		uri := "mongodb://" + tt.address + "/?" + tt.options
		if tt.want == "" {
			connectTo(t, uri, nil)
		} else if err := failToConnect(t, uri); !errors.Is(err, ErrServerSelection) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v does not say %s", tt.options, err, tt.want)
		}
	}
}
