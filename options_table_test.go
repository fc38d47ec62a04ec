package mgx

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/connstring"
)

var update = flag.Bool("update", false, "write docs/options.md anew")

// optionField says what an option of connection strings becomes.
type optionField struct {
	// field is the path in Options; warnings is one that only warns.
	field string
	// base is the connection string that the option is added to, by default
	// mongodb://h/; value is a value that is not the default.
	base, value string
}

// instead is what the value of an option is compared with that cannot be left out.
var instead = map[string]string{"proxyUsername": "other", "proxyPassword": "other"}

const (
	onlyWarns = "warnings"
	withUser  = "mongodb://u:p@h/"
	withTLS   = "mongodb://h/?tls=true"
	secondary = "mongodb://h/?readPreference=nearest"
)

// optionFields has each option of connstring.AllOptions.
var optionFields = map[string]optionField{
	"authSource":              {"Credential.Source", withUser, "users"},
	"authMechanism":           {"Credential.Mechanism", withUser, "SCRAM-SHA-1"},
	"authMechanismProperties": {"Credential.Properties", "mongodb://u:p@h/?authMechanism=MONGODB-AWS", "AWS_SESSION_TOKEN:t"},
	"gssapiServiceName":       {"Credential.Properties", "mongodb://u@h/?authMechanism=GSSAPI", "tea"},

	"appName":              {"AppName", "", "tea"},
	"compressors":          {"Compressors", "", "zstd,snappy"},
	"zlibCompressionLevel": {"ZlibLevel", "", "0"},
	"zstdCompressionLevel": {"ZstdLevel", "", "3"},
	"connectTimeoutMS":     {"ConnectTimeout", "", "0"},
	"socketTimeoutMS":      {"SocketTimeout", "", "100"},
	"network_timeout":      {"SocketTimeout", "", "1.5"},
	"timeoutMS":            {"Timeout", "", "100"},
	"maxPoolSize":          {"MaxPoolSize", "", "0"},
	"minPoolSize":          {"MinPoolSize", "", "5"},
	"maxConnecting":        {"MaxConnecting", "", "5"},
	"maxIdleTimeMS":        {"MaxIdleTime", "", "100"},
	"waitQueueTimeoutMS":   {"WaitQueueTimeout", "", "100"},
	"waitQueueMultiple":    {"WaitQueueMultiple", "", "5"},
	"auto_start_request":   {"AutoStartRequest", "", "true"},

	"proxyHost":     {"Proxy.Host", "", "proxy"},
	"proxyPort":     {"Proxy.Port", "mongodb://h/?proxyHost=proxy", "1081"},
	"proxyUsername": {"Proxy.Username", "mongodb://h/?proxyHost=proxy&proxyPassword=p", "u"},
	"proxyPassword": {"Proxy.Password", "mongodb://h/?proxyHost=proxy&proxyUsername=u", "p"},

	"tls":                                  {"TLS", "", "true"},
	"tlsCAFile":                            {"TLS.CAFile", withTLS, "f"},
	"tlsCertificateKeyFile":                {"TLS.CertificateKeyFile", withTLS, "f"},
	"tlsCertificateKeyFilePassword":        {"TLS.KeyPassword", withTLS, "p"},
	"ssl_certfile":                         {"TLS.CertFile", withTLS, "f"},
	"ssl_keyfile":                          {"TLS.KeyFile", withTLS + "&ssl_certfile=f", "f"},
	"ssl_cert_reqs":                        {"TLS.AllowInvalidCertificates", withTLS, "none"},
	"tlsInsecure":                          {"TLS.Insecure", withTLS, "true"},
	"tlsAllowInvalidCertificates":          {"TLS.AllowInvalidCertificates", withTLS, "true"},
	"tlsAllowInvalidHostnames":             {"TLS.AllowInvalidHostnames", withTLS, "true"},
	"ssl_match_hostname":                   {"TLS.AllowInvalidHostnames", withTLS, "false"},
	"tlsDisableOCSPEndpointCheck":          {"TLS.DisableOCSPEndpointCheck", withTLS, "true"},
	"tlsDisableCertificateRevocationCheck": {"TLS.DisableRevocationCheck", withTLS, "true"},

	"replicaSet":                   {"ReplicaSet", "", "rs"},
	"directConnection":             {"DirectConnection", "", "false"},
	"connect":                      {"DirectConnection", "", "direct"},
	"loadBalanced":                 {"LoadBalanced", "", "false"},
	"srvMaxHosts":                  {"SRVMaxHosts", "mongodb+srv://a.b.c/", "2"},
	"srvServiceName":               {"SRVServiceName", "mongodb+srv://a.b.c/", "tea"},
	"heartbeatFrequencyMS":         {"HeartbeatInterval", "", "600"},
	"serverMonitoringMode":         {"ServerMonitoringMode", "", "poll"},
	"serverSelectionTimeoutMS":     {"ServerSelectionTimeout", "", "100"},
	"serverSelectionTryOnce":       {onlyWarns, "", "true"},
	"localThresholdMS":             {"LocalThreshold", "", "0"},
	"secondaryAcceptableLatencyMS": {"LocalThreshold", "", "20"},

	"readPreference":      {"ReadPreference.Mode", "", "nearest"},
	"readPreferenceTags":  {"ReadPreference.TagSets", secondary, "a:b"},
	"maxStalenessSeconds": {"ReadPreference.MaxStaleness", secondary, "100"},
	"readConcernLevel":    {"ReadConcern", "", "majority"},
	"slaveOk":             {"ReadPreference.Mode", "", "true"},
	"retryReads":          {"RetryReads", "", "false"},

	"w":           {"WriteConcern.W", "", "0"},
	"wTimeoutMS":  {"WriteConcern.Timeout", "", "100"},
	"journal":     {"WriteConcern.Journal", "", "false"},
	"fsync":       {"WriteConcern.Fsync", "", "true"},
	"safe":        {"WriteConcern.W", "", "false"},
	"retryWrites": {"RetryWrites", "", "false"},

	"maxAdaptiveRetries":        {"MaxAdaptiveRetries", "", "1"},
	"enableOverloadRetargeting": {"EnableOverloadRetargeting", "", "true"},

	"tz_aware": {"TimeLocation", "", "true"},
}

// notOptions are the fields of ConnString that no option fills, and what becomes
// of them.
var notOptions = map[string]string{
	"Scheme": "SRVHost and TLS", "Hosts": "Hosts", "SRVHost": "SRVHost", "Database": "Database",
	"Username": "Credential.Username", "Password": "Credential.Password", "PasswordSet": "Credential.PasswordSet",
	"Warnings": onlyWarns,
}

// goOnly are the fields of Options that no option of connection strings fills.
var goOnly = []struct{ field, classic, byDefault, unit, meaning string }{
	{"Hosts", "host, port", "localhost:27017", "", "The servers to begin with. In a URI, what comes after mongodb://."},
	{"SRVHost", "", "none", "", "The name whose DNS records list the servers. In a URI, what comes after mongodb+srv://."},
	{"Resolver", "", "the system's", "", "Looks up the DNS records of a mongodb+srv URI."},
	{"Database", "", "none", "", "The database of Client.DefaultDatabase. In a URI, what comes after the hosts."},
	{"Credential.Username", "username", "none", "", "Who to authenticate as. In a URI, what comes before the hosts."},
	{"Credential.Password", "password", "none", "", "The password. In a URI, what comes after the user name."},
	{"Credential.PasswordSet", "", "false", "", "Tells an empty password from none."},
	{"Credential.OIDCCallback", "", "none", "", "Returns access tokens for MONGODB-OIDC, on machines."},
	{"Credential.OIDCHumanCallback", "", "none", "", "Returns access tokens for MONGODB-OIDC where a person logs in."},
	{"Credential.OIDCAllowedHosts", "", "MongoDB's own services and localhost", "", "The hosts that may get a token of OIDCHumanCallback."},
	{"Credential.AWSProvider", "", "the environment", "", "Returns credentials for MONGODB-AWS."},
	{"Credential.LoginProvider", "", "none", "", "Returns user name and password for each new connection, with SCRAM and PLAIN."},
	{"ReadPreference.Hedge", "", "the mongos decides", "", "Whether a mongos sends a read to two members and takes the first answer. Servers deprecate it from 8.0 on."},
	{"MaxConnectionAge", "", "no limit", "", "How old a connection may become before it is closed; each gets up to a tenth less."},
	{"TLS.Config", "", "none", "", "A tls.Config to begin with."},
	{"DialContext", "", "a net.Dialer", "", "Opens sockets."},
	{"ServerAPI.Version", "", "none", "", "The version of the Stable API to declare: 1."},
	{"ServerAPI.Strict", "", "false", "", "Whether commands outside of that version are refused."},
	{"ServerAPI.DeprecationErrors", "", "false", "", "Whether commands that the version deprecates are refused."},
	{"ReadPreference.Hedge", "", "the mongos decides", "", "Whether a mongos sends a read to two members. Servers deprecate it from 8.0 on."},
	{"DocumentType", "document_class", "bson.D", "", "The type of documents decoded into an any."},
	{"DisallowUnknownFields", "", "false", "", "Whether an element of a document that a struct has no field for is an error. It is skipped otherwise."},
	{"ObjectIDAsHexString", "", "false", "", "Whether ObjectIDs are decoded into strings, as hexadecimal digits. It is an error otherwise."},
	{"StrictUTF8", "unicode_decode_error_handler", "false", "", "Whether text in documents that is not UTF-8 is an error. It is decoded as it is otherwise."},
	{"Encryption", "auto_encryption_opts", "none", "", "Encrypts commands and decrypts replies: the module `encryption` makes them."},
	{"Interceptors", "", "none", "", "Stand around operations: refuse, bound, or explain them."},
	{"CommandComment", "", "none", "", "Returns the comment of commands that have none of their own."},
	{"OperationMonitors", "", "none", "", "Observe operations: calls of the user's, with all their commands."},
	{"CommandMonitors", "", "none", "", "Observe commands."},
	{"PoolMonitors", "", "none", "", "Observe connection pools."},
	{"TopologyMonitors", "", "none", "", "Observe the discovery of servers."},
	{"Logger", "", "what MONGODB_LOG_… variables ask for", "", "Gets warnings, and at lower levels what the monitors get."},
	{"LogLevels.Command", "", "the environment's", "", "The least level of messages about commands."},
	{"LogLevels.Topology", "", "the environment's", "", "The least level of messages about the discovery of servers."},
	{"LogLevels.ServerSelection", "", "the environment's", "", "The least level of messages about the selection of servers."},
	{"LogLevels.Connection", "", "the environment's", "", "The least level of messages about connections and pools."},
	{"LogMaxDocumentLength", "", "1000", "bytes", "How much of a document is logged."},
	{"WrapperInfo", "", "none", "", "Names a library that wraps mgx, for the server's logs."},
}

const module = "github.com/mgxdb/mgx"

// group reports whether a field is a struct of this package, or points to one, and
// so is a group of options.
func group(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t.PkgPath() == module
}

// leaves collects the fields that are set, by their paths. A group behind a
// pointer has a path of its own.
func leaves(v reflect.Value, path string, into map[string]string) {
	if !group(v.Type()) {
		if !v.IsZero() {
			into[path] = fmt.Sprint(reflect.Indirect(v))
		}
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		into[path] = "there"
	}
	for field, value := range reflect.Indirect(v).Fields() {
		if field.IsExported() || field.Name == onlyWarns {
			leaves(value, strings.TrimPrefix(path+"."+field.Name, "."), into)
		}
	}
}

func optionsOf(t *testing.T, uri string) map[string]string {
	t.Helper()
	o, err := ParseURI(uri)
	if err != nil {
		t.Fatalf("%s: %v", uri, err)
	}
	into := map[string]string{}
	leaves(reflect.ValueOf(*o), "", into)
	return into
}

// Each option of connection strings changes the field of Options that the
// documentation says, and no other.
func TestEveryOptionCounts(t *testing.T) {
	filled := map[string]bool{}
	for _, info := range connstring.AllOptions() {
		filled[info.Field] = true
		f, ok := optionFields[info.Name]
		if !ok {
			t.Errorf("%s is not listed", info.Name)
			continue
		}
		if f.base == "" {
			f.base = "mongodb://h/"
		}
		separator := "?"
		if strings.Contains(f.base, "?") {
			separator = "&"
		}
		before := f.base
		if other := instead[info.Name]; other != "" {
			before += separator + info.Name + "=" + other
		}
		without, with := optionsOf(t, before), optionsOf(t, f.base+separator+info.Name+"="+f.value)
		if f.field != onlyWarns {
			delete(without, onlyWarns)
			delete(with, onlyWarns)
		}
		changed := false
		for path := range with {
			changed = changed || path == f.field && with[path] != without[path]
			if path != f.field && path != "Proxy" && with[path] != without[path] {
				t.Errorf("%s changes %s", info.Name, path)
			}
		}
		if !changed {
			t.Errorf("%s=%s does not change %s", info.Name, f.value, f.field)
		}
	}
	for field := range reflect.TypeFor[connstring.ConnString]().Fields() {
		if !filled[field.Name] && notOptions[field.Name] == "" {
			t.Errorf("ConnString.%s is not used", field.Name)
		}
	}
}

// What is no option of a connection string counts as well.
func TestRestOfConnectionString(t *testing.T) {
	o := optionsOf(t, "mongodb://u:p@a,b:1/shop")
	want := map[string]string{
		"Hosts": "[a:27017 b:1]", "Database": "shop", "Credential": "there",
		"Credential.Username": "u", "Credential.Password": "p", "Credential.PasswordSet": "true",
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("%v", o)
	}
	o = optionsOf(t, "mongodb+srv://a.b.c/")
	if want := map[string]string{"SRVHost": "a.b.c", "TLS": "there"}; !reflect.DeepEqual(o, want) {
		t.Errorf("%v", o)
	}
}

// allFields are the paths of all fields of Options.
func allFields() []string {
	var paths []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for field := range t.Fields() {
			ft := field.Type
			if ft.Kind() == reflect.Pointer {
				ft = ft.Elem()
			}
			p := strings.TrimPrefix(path+"."+field.Name, ".")
			switch {
			case !field.IsExported():
			case ft.Kind() == reflect.Struct && ft.PkgPath() == "github.com/mgxdb/mgx":
				walk(ft, p)
			default:
				paths = append(paths, p)
			}
		}
	}
	walk(reflect.TypeFor[Options](), "")
	return paths
}

const optionsHead = `# Options

Everything that a client can be told. Connection strings have the options that
have a name in the first column; the fields are those of ` + "`mgx.Options`" + `, which
` + "`mgx.ParseURI`" + ` fills and ` + "`mgx.New`" + ` takes. The third column has the names that the
classic MongoClient had; connection strings understand those of them that are
not plain arguments, with a warning where a newer name replaces them. In fields, a
duration is a ` + "`time.Duration`" + `, zero stands for the default, and a negative duration
for no limit.

This page is written by ` + "`go test -run TestOptionsPage -update .`" + `.

## Values that cannot be read

A connection string says yes with true and no with false. True, TRUE, on, yes, y, t
and 1, and False, off, no, n, f, 0 and -1 are taken for the same, with a warning.

An option is an error (` + "`mgx.ErrConfiguration`" + `) where to go on without it would be
careless:

- if its value cannot be read or is empty, or if it is given twice with different
  values, and it is one of those that decide whether and for whom connections are
  encrypted, who the client is, whom it talks to, or who acknowledges writes:
  %FATAL%
- if its value is a number with something behind it, such as 30s or 1_000: a limit
  was meant;
- if its name is not known and has tls or ssl in it.

Any other value that cannot be read, or that is empty, or that is out of bounds, is
ignored, as the specification "URI Options" demands, and so is any other name that is
not known. Of an option that is given twice the last one counts. Each is a warning:
` + "`Options.Warnings`" + ` has them, ` + "`New`, `Open` and `Connect`" + ` log them (to
` + "`Options.Logger`, or `slog.Default()`" + ` if there is none), and the tool prints them. An
unreadable ` + "`tlsInsecure`" + ` or the like leaves the checks on.

## The options

| In connection strings | Go field | Classic | Default | Unit | Meaning |
| --- | --- | --- | --- | --- | --- |
`

func optionsPage() string {
	var b strings.Builder
	var fatal []string
	for _, info := range connstring.AllOptions() {
		if info.Fatal {
			fatal = append(fatal, info.Name)
		}
	}
	b.WriteString(strings.Replace(optionsHead, "%FATAL%", strings.Join(fatal, ", ")+".", 1))
	code := func(s string) string {
		if s == "" {
			return "—"
		}
		return "`" + s + "`"
	}
	row := func(name, field, classic, byDefault, unit, meaning string) {
		if unit == "" {
			unit = "—"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", code(name), code(field), code(classic), byDefault, unit, strings.ReplaceAll(meaning, "|", `\|`))
	}
	for _, info := range connstring.AllOptions() {
		field, meaning := optionFields[info.Name].field, info.Meaning
		if field == onlyWarns {
			field, meaning = "", meaning+" Not supported: a warning says so."
		}
		if len(info.Aliases) > 0 {
			meaning += " Also `" + strings.Join(info.Aliases, "`, `") + "`."
		}
		if info.ReplacedBy != "" {
			meaning += " Deprecated: write `" + info.ReplacedBy + "`."
		}
		row(info.Name, field, info.Classic, info.Default, info.Unit, meaning)
	}
	for _, f := range goOnly {
		row("", f.field, f.classic, f.byDefault, f.unit, f.meaning)
	}
	return b.String()
}

// docs/options.md is up to date and has every field.
func TestOptionsPage(t *testing.T) {
	var listed []string
	for _, f := range optionFields {
		listed = append(listed, f.field)
	}
	for _, f := range goOnly {
		listed = append(listed, f.field)
	}
	fields := allFields()
	for _, path := range fields {
		if !slices.Contains(listed, path) {
			t.Errorf("Options.%s is not listed", path)
		}
	}
	for _, path := range listed {
		if path != onlyWarns && path != "TLS" && !slices.Contains(fields, path) {
			t.Errorf("there is no field Options.%s", path)
		}
	}
	const file = "docs/options.md"
	page := optionsPage()
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != page {
		t.Errorf("%s is out of date: run go test -run TestOptionsPage -update . (%v)", file, err)
	}
}
