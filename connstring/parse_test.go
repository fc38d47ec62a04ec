package connstring_test

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/connstring"
)

func mustParse(t *testing.T, uri string) *connstring.ConnString {
	t.Helper()
	c, err := connstring.Parse(uri)
	if err != nil {
		t.Fatalf("%q: %v", uri, err)
	}
	return c
}

func TestParseHosts(t *testing.T) {
	for uri, want := range map[string][]string{
		"mongodb://localhost":                       {"localhost:27017"},
		"MongoDB://LOCALHOST:1":                     {"localhost:1"},
		"mongodb://a,b:27018,[::1],[FE80::1%25EN0]": {"a:27017", "b:27018", "[::1]:27017", "[fe80::1%EN0]:27017"},
		"mongodb://%2Ftmp%2FA.sock":                 {"/tmp/A.sock"},
		"mongodb://tmp%2fa.sock,h":                  {"tmp/a.sock", "h:27017"},
		"mongodb://db%2Dx_1:65535":                  {"db-x_1:65535"},
	} {
		if c := mustParse(t, uri); !slices.Equal(c.Hosts, want) {
			t.Errorf("%s: hosts %q, want %q", uri, c.Hosts, want)
		}
	}
}

func TestSplitHost(t *testing.T) {
	for host, want := range map[string]string{"/tmp/a.sock": "unix", "rel/a.sock": "unix", "[::1]:27017": "tcp", "a.sock:1": "tcp"} {
		if network, address := connstring.SplitHost(host); network != want || address != host {
			t.Errorf("%s: %s %s", host, network, address)
		}
	}
}

// An error names the part and points at the byte, which stands after | here.
func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ uri, part string }{
		{"|", "scheme"},
		{"|localhost", "scheme"},
		{"|http://localhost", "scheme"},
		{"mongodb://|", "host"},
		{"mongodb://|/tmp/x.sock", "host"},
		{"mongodb://a,|,b", "host"},
		{"mongodb://a,|", "host"},
		{"mongodb://|:27017", "host"},
		{"mongodb://|:", "host"},
		{"mongodb://a|::1", "host"},
		{"mongodb://a:|0", "port"},
		{"mongodb://a:|65536", "port"},
		{"mongodb://a:|", "port"},
		{"mongodb://a:|+1", "port"},
		{"mongodb://a,b:|x", "port"},
		{"mongodb://[::1]:|x", "port"},
		{"mongodb://[::1]|x", "host"},
		{"mongodb://|[::1", "host"},
		{"mongodb://[|1.2.3.4]", "host"},
		{"mongodb://a,|%2Ftmp%2Fx", "host"},
		{"mongodb://|%2Ftmp%2Fx.sock:1", "host"},
		{"mongodb://a|%zz", "host"},
		{"mongodb://a|%2", "host"},
		{"mongodb://|a%FF", "host"},
		{"mongodb://|a%00", "host"},
		{"mongodb://|a%40b", "host"},
		{"mongodb://a|\x01b", "host"},
		{"mongodb://a/x|\xff", "options"},
		{"mongodb://|@a", "user name"},
		{"mongodb://|:pw@a", "user name"},
		{"mongodb://al|@ice:pw@a", "user name"},
		{"mongodb://al|%ice:pw@a", "user name"},
		{"mongodb://alice:p|:w@a", "password"},
		{"mongodb://alice:p|%w@a", "password"},
		{"mongodb://alice:p|/w@a", "user name"},
		{"mongodb://alice:p|?w@a", "user name"},
		{"mongodb://a/x|/y", "database"},
		{"mongodb://a/x|$y", "database"},
		{"mongodb://a/|x%24y", "database"},
		{"mongodb://a|/x@y", "user name"},
		{"mongodb://a/?|w", "w"},
		{"mongodb://a/?|nonsense", "options"},
		{"mongodb://a/?|=1", "options"},
		{"mongodb://a/?appName=1|%", "appName"},
		{"mongodb://a/?w=|-1", "w"},
		{"mongodb://a/?authSource=|", "authSource"},
		{"mongodb://a/?authMechanism=|MONGODB-CR", "authMechanism"},
		{"mongodb://a/?authMechanism=|x", "authMechanism"},
		{"mongodb://a/?proxyHost=p&proxyPort=|65536", "proxyPort"},
		{"mongodb://a/?proxyHost=p&|proxyhost=q", "proxyHost"},
		{"mongodb+srv://a.b.c/?srvServiceName=|a--b", "srvServiceName"},
		{"mongodb+srv://a.b.c/?srvServiceName=|12", "srvServiceName"},
		{"mongodb+srv://a.b.c|:1", "port"},
		{"mongodb+srv://a.b.c|,d.b.c", "host"},
		{"mongodb+srv://|127.0.0.1", "host"},
		{"mongodb+srv://|a..b", "host"},
		{"mongodb+srv://|%2Ftmp%2Fa.sock", "host"},
		{"mongodb+srv://a.b.c/?|directConnection=true", "directConnection"},
		{"mongodb+srv://a.b.c/?w=1&|srvMaxHosts=1&replicaSet=r", "srvMaxHosts"},
		{"mongodb://a/?|srvMaxHosts=0", "srvMaxHosts"},
		{"mongodb://a/?w=1&|tls=false&ssl_ca_certs=f", "tls"},
		{"mongodb://a/?tls=false&|ssl=true", "tls"},
		{"mongodb://a/?|ssl_cert_reqs=required", "ssl_cert_reqs"},
		{"mongodb://a/?ssl_cert_reqs=|maybe", "ssl_cert_reqs"},
		{"mongodb://a/?ssl_cert_reqs=|", "ssl_cert_reqs"},
		{"mongodb://a/?tls=|", "tls"},
		{"mongodb://a/?ssl=|", "tls"},
		{"mongodb://a/?tls=|enabled", "tls"},
		{"mongodb://a/?tls=true&|ssl=", "tls"},
		{"mongodb://a/?tls=|true%20", "tls"},
		{"mongodb://a/?tlsCAFile=|", "tlsCAFile"},
		{"mongodb://a/?sslCertificateAuthorityFile=|", "tlsCAFile"},
		{"mongodb://a/?tlsCertificateKeyFile=|", "tlsCertificateKeyFile"},
		{"mongodb://a/?tlsCertificateKeyFile=f&tlsCertificateKeyFilePassword=|", "tlsCertificateKeyFilePassword"},
		{"mongodb://a/?ssl_certfile=f&tlsPrivateKeyFile=|", "ssl_keyfile"},
		{"mongodb://a/?|tlsCaFil=f", "options"},
		{"mongodb://a/?|useTLS=true", "options"},
		{"mongodb://a/?w=1&amp|;tls=true", "options"},
		{"mongodb://a/?|sslmode=require", "options"},
		{"mongodb://a/?w=1|;wtimeout=3&j=true", "options"},
		{"mongodb://a/?appName=a|;b=c&j=true", "options"},
		{"mongodb://a/?w=|", "w"},
		{"mongodb://a/?w=|1?j=true", "w"},
		{"mongodb://a/?w=1&|w=2", "w"},
		{"mongodb://a/?w=0&|w=majority", "w"},
		{"mongodb://a/?replicaSet=|", "replicaSet"},
		{"mongodb://a/?replicaSet=r&|replicaSet=s", "replicaSet"},
		{"mongodb://u@a/?authSource=a&|authsource=b", "authSource"},
		{"mongodb://u@a/?authMechanism=|", "authMechanism"},
		{"mongodb://u:p@a/?authMechanism=MONGODB-AWS&authMechanismProperties=|AWS_SESSION_TOKEN", "authMechanismProperties"},
		{"mongodb://a/?proxyHost=|", "proxyHost"},
		{"mongodb://a/?timeoutMS=|30s", "timeoutMS"},
		{"mongodb://a/?timeoutMS=|1.5", "timeoutMS"},
		{"mongodb://a/?socketTimeoutMS=|1_000", "socketTimeoutMS"},
		{"mongodb://a/?wtimeout=|5,000", "wTimeoutMS"},
		{"mongodb://a/?network_timeout=|5s", "network_timeout"},
		{"mongodb://a/?maxPoolSize=|1e3", "maxPoolSize"},
		{"mongodb://a/?readPreference=nearest&maxStalenessSeconds=|2m", "maxStalenessSeconds"},
		{"mongodb://a/db|&replicaSet=rs0", "database"},
		{"mongodb://a/replicaSet|=rs0", "database"},
		{"mongodb://a/?|tlsInsecure=true&sslAllowInvalidHostnames=true", "tlsInsecure"},
		{"mongodb://a/?|ssl_keyfile=k", "ssl_keyfile"},
		{"mongodb://a/?|readPreferenceTags=dc:ny", "readPreferenceTags"},
		{"mongodb://a/?readPreference=primary&|maxStalenessSeconds=120", "maxStalenessSeconds"},
		{"mongodb://a/?j=true&|fsync=true", "fsync"},
		{"mongodb://a/?|minPoolSize=101", "minPoolSize"},
		{"mongodb://a/?authMechanism=PLAIN", "user name"},
		{"mongodb://u@a/?authMechanism=MONGODB-AWS", "password"},
		{"mongodb://a/?authMechanism=MONGODB-AWS&|authMechanismProperties=AWS_SESSION_TOKEN:t", "authMechanismProperties"},
		{"mongodb://a/?authMechanism=MONGODB-OIDC&|authMechanismProperties=TOKEN_RESOURCE:x", "authMechanismProperties"},
		{"mongodb://a/?authMechanism=MONGODB-OIDC&|authMechanismProperties=ENVIRONMENT:", "authMechanismProperties"},
		{"mongodb://a/?authMechanism=GSSAPI&authSource=x", "authSource"},
		{"mongodb://a/?w=0&|fsync=true", "fsync"},
		{"mongodb://a/?|tls=false&ssl_cert_reqs=required&", "tls"},
		{"mongodb://a/?tls=maybe&|ssl=true", "tls"},
		{"mongodb://a/?tlsCertificateKeyFile=f&ssl_certfile=g", "tlsCertificateKeyFile"},
		{"mongodb://a/?|proxyPort=1", "proxyPort"},
		{"mongodb://a/?proxyHost=h&|proxyPassword=x", "proxyPassword"},
		{"mongodb://u@a/?authMechanism=SCRAM-SHA-1&|authMechanismProperties=SERVICE_NAME:x", "authMechanismProperties"},
		{"mongodb://a/?authMechanism=MONGODB-OIDC&|authMechanismProperties=ENVIRONMENT:test,ALLOWED_HOSTS:x", "authMechanismProperties"},
	} {
		offset := strings.IndexByte(test.uri, '|')
		uri := strings.Replace(test.uri, "|", "", 1)
		_, err := connstring.Parse(uri)
		var parse *connstring.ParseError
		if !errors.As(err, &parse) || !errors.Is(err, connstring.ErrInvalid) {
			t.Errorf("%q: error %v", uri, err)
			continue
		}
		if parse.Part != test.part || offset >= 0 && parse.Offset != offset {
			t.Errorf("%q: %v: part %q at %d, want %q at %d", uri, err, parse.Part, parse.Offset, test.part, offset)
		}
		if parse.Message == "" || parse.URI != connstring.Redact(uri) {
			t.Errorf("%q: message %q, URI %q", uri, parse.Message, parse.URI)
		}
	}
}

func TestParseErrorPointer(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://alice:secret@ä:0/db": "mongodb://alice:xxxxx@ä:0/db\n" + strings.Repeat(" ", 24) + "^",
		"mongodb://alice:se:cret@h":     "mongodb://alice:xxxxx@h\n" + strings.Repeat(" ", 16) + "^",
		"mongodb://h/?j=true&w=-1":      "mongodb://h/?j=true&w=-1\n" + strings.Repeat(" ", 22) + "^",
	} {
		_, err := connstring.Parse(uri)
		var parse *connstring.ParseError
		if !errors.As(err, &parse) || parse.Pointer() != want {
			t.Errorf("%v:\n%s\nwant\n%s", err, parse.Pointer(), want)
		}
	}
}

func TestParseWarnings(t *testing.T) {
	for query, want := range map[string][]string{
		"wtf=1":                                 {"wtf: unknown option, ignored"},
		"retrywrite=true":                       {"retrywrite: unknown option, ignored; did you mean retryWrites?"},
		"serverSelectionTimeout=5":              {"serverSelectionTimeout: unknown option, ignored; did you mean serverSelectionTimeoutMS?"},
		"authSuorce=admin":                      {"authSuorce: unknown option, ignored; did you mean authSource?"},
		"replicatSet=a":                         {"replicatSet: unknown option, ignored; did you mean replicaSet?"},
		"poolSize=5":                            {"poolSize: unknown option, ignored"},
		"wtimeout=5":                            {"wtimeout: an old name; write wTimeoutMS"},
		"wtimeout=5&WTimeoutMS=10":              {"wtimeout: an old name of wTimeoutMS, which is also given; ignored"},
		"connectTimeoutMS=x":                    {`connectTimeoutMS: must be a whole number of milliseconds; "x" is ignored`},
		"maxPoolSize=99999999999999999999":      {`maxPoolSize: must be at least 0; "99999999999999999999" is ignored`},
		"heartbeatFrequencyMS=499":              {`heartbeatFrequencyMS: must be at least 500; "499" is ignored`},
		"zlibCompressionLevel=10":               {`zlibCompressionLevel: must be from -1 to 9; "10" is ignored`},
		"retryWrites=yes":                       {"retryWrites: taken for true; write true"},
		"retryWrites=":                          {"retryWrites: is empty and ignored"},
		"compressors=snappy,lz4":                {"compressors: only snappy, zlib and zstd are supported; the others are ignored"},
		"maxPoolSize=1&maxPoolSize=2":           {"maxPoolSize: given more than once; the last one counts"},
		"w=2&w=2":                               {"w: given more than once; the last one counts"},
		"journal=ON&retryWrites=False":          {"journal: taken for true; write true", "retryWrites: taken for false; write false"},
		"journal=perhaps":                       {`journal: must be true or false; "perhaps" is ignored`},
		"tlsInsecure=perhaps":                   {`tlsInsecure: must be true or false; "perhaps" is ignored`},
		"sslInsecure=true":                      {"sslInsecure: an old name; write tlsInsecure"},
		"heartbeatIntervalMS=500":               {"heartbeatIntervalMS: an old name; write heartbeatFrequencyMS"},
		"connect=direct":                        {"connect: deprecated; write directConnection"},
		"connect=direct&directConnection=false": {"connect: deprecated, and ignored because directConnection is also given"},
		"ssl_match_hostname=no":                 {"ssl_match_hostname: deprecated; write tlsAllowInvalidHostnames"},
		"authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:gcp,TOKEN_RESOURCE:a,b": {"authMechanismProperties: must be name:value, or several separated by commas; a value cannot contain a comma; ignored"},
		"maxStalenessSeconds=89":                     {`maxStalenessSeconds: must be -1 or a whole number of seconds, at least 90; "89" is ignored`},
		"safe=false&journal=true":                    {"safe: deprecated; write w", "safe: safe=false has no effect beside wTimeoutMS, journal or fsync, which ask for an acknowledgement"},
		"slaveOk=true":                               {"slaveOk: deprecated; write readPreference=secondaryPreferred"},
		"safe=true&w=2":                              {"safe: deprecated, and ignored because w is also given"},
		"network_timeout=1&socketTimeoutMS=2":        {"network_timeout: deprecated, and ignored because socketTimeoutMS is also given"},
		"authMechanismProperties=AWS_SESSION_TOKE:s": {"authMechanismProperties: has no effect without authMechanism or a user name"},
		"tls=false&tlsInsecure=true":                 {"tls: connections are not encrypted, so the other TLS options have no effect"},
		"tls=true&ssl=true":                          nil,
		"ssl=1&tls=true":                             {"ssl: taken for true; write true"},
		"retryReads=f":                               {"retryReads: taken for false; write false"},
		"readPreference=any":                         {`readPreference: must be one of primary, primaryPreferred, secondary, secondaryPreferred, nearest; "any" is ignored`},
		"readPreference=nearest&slaveOk=true":        {"slaveOk: deprecated; write readPreference=secondaryPreferred", "slaveOk: has no effect beside readPreference"},
		"network_timeout=x":                          {"network_timeout: deprecated; write socketTimeoutMS", `network_timeout: must be a number; "x" is ignored`},
		"network_timeout=-1":                         {"network_timeout: deprecated; write socketTimeoutMS", `network_timeout: must be at least 0; "-1" is ignored`},
		"compressors=zstd,zlib,zstd":                 nil,
		"maxIdleTimeMS=&compressors=":                {"maxIdleTimeMS: is empty and ignored", "compressors: is empty and ignored"},
		"proxyHost=h&proxyUsername=":                 {"proxyUsername: is empty and ignored"},
		"w=1;j=true":                                 {"j: an old name; write journal"},
		"appName=" + strings.Repeat("x", 129):        {`appName: has 129 bytes, more than 128; "` + strings.Repeat("x", 129) + `" is ignored`},
		"&w=1&&":                                     nil,
	} {
		var got []string
		for _, w := range mustParse(t, "mongodb://h/?"+query).Warnings {
			got = append(got, w.String())
			if w.Offset < len("mongodb://h/?") {
				t.Errorf("%s: offset %d", query, w.Offset)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: warnings\n%q, want\n%q", query, got, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// Every option of the classic client keeps its meaning.
func TestParseClassicOptions(t *testing.T) {
	got := mustParse(t, "mongodb://h/?max_pool_size=7&network_timeout=0.25&waitQueueMultiple=3&auto_start_request=true&"+
		"ssl=true&ssl_certfile=c&ssl_keyfile=k&ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=ca&replicaset=rs&"+
		"secondary_acceptable_latency_ms=1.5&read_preference=SECONDARY_PREFERRED&tag_sets=dc:ny,rack:1&tag_sets=&"+
		"j=true&wtimeout=9&w=tag&tz_aware=true&fsync=false&gssapiServiceName=svc")
	got.Warnings = nil
	want := &connstring.ConnString{
		Scheme: "mongodb", Hosts: []string{"h:27017"},
		MaxPoolSize: ptr(7), SocketTimeout: ptr(250 * time.Millisecond), WaitQueueMultiple: ptr(3), AutoStartRequest: ptr(true),
		TLS: ptr(true), SSLCertFile: "c", SSLKeyFile: "k", SSLCertReqs: "required", TLSCAFile: "ca", ReplicaSet: "rs",
		LocalThreshold: ptr(1500 * time.Microsecond), ReadPreference: "secondaryPreferred",
		ReadPreferenceTags: []map[string]string{{"dc": "ny", "rack": "1"}, {}},
		Journal:            ptr(true), WTimeout: ptr(9 * time.Millisecond), W: &connstring.W{Tag: "tag"}, TZAware: ptr(true), FSync: ptr(false),
		AuthMechanismProperties: map[string]string{"SERVICE_NAME": "svc"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parsed %v, want %v", got, want)
	}
}

func TestUseTLS(t *testing.T) {
	for uri, want := range map[string]bool{
		"mongodb://h":                                  false,
		"mongodb://h/?tls=true":                        true,
		"mongodb+srv://a.b.c":                          true,
		"mongodb+srv://a.b.c/?tls=false":               false,
		"mongodb://h/?tlsCAFile=f":                     true,
		"mongodb://h/?ssl_certfile=f":                  true,
		"mongodb://h/?ssl_cert_reqs=none":              true,
		"mongodb://h/?tlsAllowInvalidHostnames=true":   true,
		"mongodb://h/?tlsAllowInvalidHostnames=false":  false,
		"mongodb://h/?tlsCertificateKeyFilePassword=x": false,
	} {
		if got := mustParse(t, uri).UseTLS(); got != want {
			t.Errorf("%s: TLS %v, want %v", uri, got, want)
		}
	}
}

func TestNamespace(t *testing.T) {
	db, coll := mustParse(t, "mongodb://h/shop.orders.2024").Namespace()
	if db != "shop" || coll != "orders.2024" {
		t.Errorf("%q %q", db, coll)
	}
	if source := mustParse(t, "mongodb://u@h/shop.orders").Credential().Source; source != "shop" {
		t.Errorf("source %q", source)
	}
}

func TestCredentialValidate(t *testing.T) {
	const oidc = "mongodb://h/?authMechanism=MONGODB-OIDC"
	for _, test := range []struct {
		uri      string
		callback bool
		ok       bool
	}{
		{"mongodb://alice@h", false, false},
		{"mongodb://alice:@h", false, true},
		{"mongodb://alice@h/?authMechanism=GSSAPI", false, true},
		{oidc, false, false},
		{oidc, true, true},
		{oidc + "&authMechanismProperties=ENVIRONMENT:k8s", false, true},
		{oidc + "&authMechanismProperties=ENVIRONMENT:k8s", true, false},
	} {
		err := mustParse(t, test.uri).Credential().Validate(test.callback)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, connstring.ErrInvalid) {
			t.Errorf("%s, callback %v: %v", test.uri, test.callback, err)
		}
	}
}

func TestParseList(t *testing.T) {
	c, err := connstring.ParseList([]string{
		"a", "mongodb://alice:one@b:1,c/db1?w=2&retryReads=false", "d:5,a", "mongodb://bob@e/db2?w=3", "/tmp/x.sock", "[::1]",
	}, 27018)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a:27018", "b:1", "c:27018", "d:5", "e:27018", "/tmp/x.sock", "[::1]:27018"}; !slices.Equal(c.Hosts, want) {
		t.Errorf("hosts %q, want %q", c.Hosts, want)
	}
	if c.Username != "bob" || c.PasswordSet || c.Database != "db2" || c.W.Number != 3 || c.RetryReads == nil {
		t.Errorf("merged into %v", c)
	}
	if c, err := connstring.ParseList(nil, 0); err != nil || !slices.Equal(c.Hosts, []string{"localhost:27017"}) {
		t.Errorf("nothing gives %v, %v", c, err)
	}
	for _, list := range [][]string{
		{"a:0"}, {"a:65536"}, {"alice:secret@h"}, {"a", "mongodb+srv://a.b.c"}, {""}, {"a", "mongodb://b/?directConnection=true"},
	} {
		if c, err := connstring.ParseList(list, 0); !errors.Is(err, connstring.ErrInvalid) {
			t.Errorf("%q gives %v, %v", list, c, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v shows the password", err)
		}
	}
	if _, err := connstring.ParseList([]string{"a"}, 65536); !errors.Is(err, connstring.ErrInvalid) {
		t.Errorf("default port: %v", err)
	}
}

func TestMergeCopies(t *testing.T) {
	a := mustParse(t, "mongodb://a/?readPreference=nearest&readPreferenceTags=x:1&compressors=zlib")
	for _, list := range [][]*connstring.ConnString{{a}, {a, mustParse(t, "mongodb://b")}} {
		merged, err := connstring.Merge(list)
		if err != nil {
			t.Fatal(err)
		}
		merged.Hosts[0], merged.ReadPreferenceTags[0]["x"], merged.Compressors[0] = "z", "2", "zstd"
		if a.Hosts[0] != "a:27017" || a.ReadPreferenceTags[0]["x"] != "1" || a.Compressors[0] != "zlib" {
			t.Fatalf("the merged one shares memory with %v", a)
		}
	}
}

func TestStringHidesSecrets(t *testing.T) {
	const uri = "mongodb://al%40ice:s3cret@h,[::1]:2/d%3Db?appName=a%20b&authMechanism=MONGODB-AWS&proxyHost=p&proxyUsername=u&proxyPassword=s3cret&" +
		"tlsCertificateKeyFilePassword=s3cret&authMechanismProperties=AWS_SESSION_TOKEN:s3cret&w=2&readPreference=nearest&readPreferenceTags=&readPreferenceTags=b:2,a:1"
	const want = "mongodb://al%40ice:xxxxx@h:27017,[::1]:2/d%3Db?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:xxxxx&appName=a%20b&" +
		"proxyHost=p&proxyUsername=u&proxyPassword=xxxxx&tlsCertificateKeyFilePassword=xxxxx&readPreference=nearest&readPreferenceTags=&readPreferenceTags=a:1,b:2&w=2"
	c := mustParse(t, uri)
	if got := c.String(); got != want {
		t.Errorf("String is\n%s, want\n%s", got, want)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", *c, "pointer", c, "credential", c.Credential())
	for _, text := range []string{
		fmt.Sprint(c), fmt.Sprint(*c), fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", c), fmt.Sprintf("%#v", *c),
		fmt.Sprint(c.Credential()), fmt.Sprintf("%+v %#v", *c.Credential(), c.Credential()), log.String(), connstring.Redact(uri),
	} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("%s shows a secret", text)
		}
	}
}

func TestAllOptionsIsComplete(t *testing.T) {
	notOptions := []string{"Scheme", "Hosts", "SRVHost", "Username", "Password", "PasswordSet", "Database", "Warnings"}
	fields, names := map[string]bool{}, map[string]bool{}
	for _, info := range connstring.AllOptions() {
		fields[info.Field] = true
		for _, name := range append([]string{info.Name}, info.Aliases...) {
			if name = strings.ToLower(name); names[name] {
				t.Errorf("%s stands for two options", name)
			}
			names[name] = true
		}
		if info.Meaning == "" || info.Default == "" {
			t.Errorf("%s is not documented", info.Name)
		}
		if info.Type == connstring.TypeDuration && info.Unit == "" {
			t.Errorf("%s has no unit", info.Name)
		}
		if classic := info.Classic; classic != "" && !strings.EqualFold(classic, info.Name) && !slices.Contains(info.Aliases, classic) {
			t.Errorf("%s: its classic name %s is not understood", info.Name, classic)
		}
	}
	for field := range reflect.TypeFor[connstring.ConnString]().Fields() {
		if !fields[field.Name] && !slices.Contains(notOptions, field.Name) {
			t.Errorf("no option fills %s", field.Name)
		}
	}
	all := connstring.AllOptions()
	all[1].Values[0] = "changed"
	if connstring.AllOptions()[1].Values[0] == "changed" {
		t.Error("the table can be changed from outside")
	}
}

// Errors call options by the names that the URI gives them.
func TestErrorsSpellOptionsAsGiven(t *testing.T) {
	for query, want := range map[string]string{
		"ssl=false&ssl_ca_certs=f":               "ssl=false and ssl_ca_certs cannot be used together",
		"tls=false&ssl_ca_certs=f":               "tls=false and ssl_ca_certs cannot be used together",
		"SSL=false&tlsCAFile=f":                  "SSL=false and tlsCAFile cannot be used together",
		"j=true&w=0":                             "j=true and w=0 cannot be used together",
		"j=true&fsync=true":                      "fsync=true and j=true cannot be used together",
		"journal=true&j=false&fsync=true":        "fsync=true and journal=true cannot be used together",
		"max_pool_size=1&minPoolSize=2":          "minPoolSize=2 is more than max_pool_size=1",
		"read_preference=primary&tag_sets=dc:ny": "needs a read_preference other than primary",
	} {
		_, err := connstring.Parse("mongodb://h/?" + query)
		if wrong, ok := errors.AsType[*connstring.ParseError](err); !ok || wrong.Message != want || wrong.Offset < len("mongodb://h/?") {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}
