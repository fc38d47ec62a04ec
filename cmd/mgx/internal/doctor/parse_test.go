package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/certtest"
)

func TestBadStrings(t *testing.T) {
	tests := []struct {
		uri    string
		offset int // of the caret in the redacted string
		says   []string
	}{
		{"localhost:27017", 0, []string{"scheme", "mongodb://HOST"}},
		{"http://localhost/", 0, []string{"scheme", "mongodb+srv://NAME"}},
		{"mongodb://", 10, []string{"host: is missing", "name:port"}},
		{"mongodb://ann:" + secret + "%zz@db1/", 14, []string{"password", "%25", "%40"}},
		{"mongodb://ann:" + secret + ":x@db1/", 14, []string{"password", "%3A"}},
		{"mongodb://ann:" + secret + "/x@db1/", 14, []string{"user name", "%2F"}},
		{"mongodb://a%nn:" + secret + "@db1/", 11, []string{"user name", "%25"}},
		{"mongodb://db1:99999/", 14, []string{"port", "65535"}},
		{"mongodb://db1:tea/", 14, []string{"port", "%3A"}},
		{"mongodb://db 1/", 10, []string{"host", "character"}},
		{"mongodb://::1/", 10, []string{"brackets", "[::1]:27017"}},
		{"mongodb://db1/sh op", 16, []string{"database", "slash"}},
		{"mongodb://db1,/", 14, []string{"host", "commas"}},
		{"mongodb://db1/?w=-2", 17, []string{"w:", "docs/options.md", "quotes"}},
		{"mongodb://db1/?tls=true&tlsInsecure=true&tlsAllowInvalidCertificates=true", 24, []string{"tlsInsecure and tlsAllowInvalidCertificates"}},
		{"mongodb+srv://db.example.com:27017/", 28, []string{"mongodb+srv takes no port", "NAME alone"}},
	}
	for _, test := range tests {
		t.Run(test.uri, func(t *testing.T) {
			r := examine(t, Request{URI: test.uri})
			r.stops(t, "connection string", "uri.syntax", test.says...)
			f := r.Find("uri.syntax")[0]
			if len(f.Details) != 2 || f.Details[0] != r.URI || f.Details[1] != strings.Repeat(" ", test.offset)+"^" {
				t.Errorf("the pointer is at %q, want %d", f.Details, test.offset)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	none := t.TempDir() + "/none.pem"
	examine(t, Request{URI: "mongodb://db1/?tlsCAFile=" + none}).stops(t, "connection string", "uri.file", none, "correct the path")
	examine(t, Request{URI: "mongodb://ann:" + secret + "@db1/?authMechanism=GSSAPI"}).
		stops(t, "connection string", "uri.options", "GSSAPI (Kerberos) is not supported")
	examine(t, Request{URI: "mongodb://ann@db1/"}).stops(t, "connection string", "uri.options", "password: is missing")
}

func TestUnderstood(t *testing.T) {
	r := examine(t, Request{URI: "mongodb://ann:" + secret + "@db1,db2/?replicaSet=rs0&tls=true&proxyHost=p&proxyUsername=u&proxyPassword=" + secret + "&connectTimeoutMS=1"})
	r.says(t, OK, "uri", "2 hosts", `"rs0"`, `{p:1080 as "u"}`, "TLS", `user "ann"`, "authSource admin", "SCRAM, negotiated")
}

func TestOwnCertificate(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	file := ca.Issue(t, "app", certtest.Expired()).File(t)
	r := examine(t, Request{URI: "mongodb://127.0.0.1:1/?tlsCertificateKeyFile=" + file})
	r.says(t, Warning, "uri.ownCertificate", `"CN=app"`, file, "until", "renew it")
	file = ca.Issue(t, "app", certtest.Valid(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))).File(t)
	examine(t, Request{URI: "mongodb://127.0.0.1:1/?tlsCertificateKeyFile=" + file}).says(t, OK, "uri.ownCertificate", `"CN=app"`)
}
