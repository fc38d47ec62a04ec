package connstring

import (
	"reflect"
	"strings"
	"testing"
)

var seeds = []string{
	"", "mongodb://", "mongodb://localhost", "mongodb://a,b:1,[::1]:2,%2Ftmp%2Fx.sock/db?w=1",
	"mongodb+srv://u:p@a.b.c/db?authSource=x&srvMaxHosts=2",
	"mongodb://u:p@h/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:t",
	"mongodb://h/?readPreference=nearest&readPreferenceTags=dc:ny,r:1&readPreferenceTags=&maxStalenessSeconds=90",
	"mongodb://h/?network_timeout=1.5;safe=false;slaveOk=1", "mongodb://u:p/w@h", "mongodb://u:p?w@h/?a=b@c",
	"mongodb://h/?proxyHost=p&proxyUsername=u&proxyPassword=x&tlsCertificateKeyFilePassword=%41&unknown=x",
	"mongodb://%C3%A4:%F0%9F%98%80@h/%3F?appName=%00&gssapiServiceName=x", "mongodb://[fe80::1%25e]/?w=+1&w=a%26b",
}

// FuzzParse demands that nothing panics, and that what was parsed is written
// and read back as the same.
func FuzzParse(f *testing.F) {
	for _, uri := range seeds {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		redacted := Redact(uri)
		if again := Redact(redacted); again != redacted {
			t.Errorf("Redact(%q) = %q, redacted again %q", uri, redacted, again)
		}
		if c, err := parseTXT(uri); err == nil && c.Username+c.Password+c.ProxyHost != "" {
			t.Errorf("TXT record %q sets %v", uri, c)
		}
		c, err := Parse(uri)
		if err != nil {
			e := err.(*ParseError)
			if e.Offset < 0 || e.Offset > len(uri) || e.URI != redacted || (e.Pointer() == "") != (uri == "") {
				t.Errorf("%q: offset %d, URI %q", uri, e.Offset, e.URI)
			}
			return
		}
		for _, w := range c.Warnings {
			if w.Offset < 0 || w.Offset > len(uri) {
				t.Errorf("%q: warning %v at %d", uri, w, w.Offset)
			}
		}
		hidden := c.String()
		if again, err := Parse(hidden); err != nil || again.String() != hidden {
			t.Errorf("%q is written %q, which is read as %v, %v", uri, hidden, again, err)
		}
		open := c.format(false)
		again, err := Parse(open)
		if err != nil {
			t.Fatalf("%q is written %q: %v", uri, open, err)
		}
		again.Warnings, c.Warnings = nil, nil
		roundToMS(c)
		if !reflect.DeepEqual(again, c) {
			t.Errorf("%q is written %q, which is read differently", uri, open)
		}
	})
}

// roundToMS drops what the canonical options cannot say.
func roundToMS(c *ConnString) {
	for i := range table {
		if d := table[i]; d.decimal {
			if field := d.field(c); !field.IsZero() {
				ms := field.Elem().Int() / 1e6 * 1e6
				field.Elem().SetInt(ms)
			}
		}
	}
}

// FuzzSecret puts a password in a URI whose other parts, those of the password
// included, are arbitrary, and looks for it in all that is shown.
func FuzzSecret(f *testing.F) {
	const token = "Tr0ub4dor"
	f.Add("alice", "", "", "host/db?w=1")
	f.Add("alice", "a/b?c@d", "&w=1;", "host:x")
	f.Add("alice", "12?connectTimeoutMS=", "", "host")
	f.Add("a:b", "12,", "?w=", "[::1")
	f.Add("alice", "%", "%zz", "host/?x=y@z")
	f.Add("alice", "a://", "", "")
	f.Fuzz(func(t *testing.T, user, before, after, rest string) {
		if strings.Contains(user+rest, token) {
			return
		}
		checkHidden(t, "mongodb://"+user+":"+before+token+after+"@"+rest, token)
		checkHidden(t, "mongodb+srv://"+user+":"+before+token+after+"@"+rest, token)
		if !strings.Contains(user, "?") {
			checkHidden(t, "mongodb://"+user+":"+token, token) // the host was forgotten
		}
		if !strings.ContainsAny(before+after, "&;#?@") {
			for _, name := range []string{"proxyPassword", "TLScertificateKeyFilePassword", "tls%43ertificateKeyFilePassword", "proxyPasword"} {
				checkHidden(t, "mongodb://h/?"+name+"="+before+token+after, token)
			}
			checkHidden(t, "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:"+token, token)
			checkHidden(t, "mongodb://h/?authMechanism=MONGODB-AWS&authMechanismProperties=SERVICE_NAME:x,AWS_SESSION_TOKEN%3A"+token, token)
		}
	})
}

func checkHidden(t *testing.T, uri, token string) {
	t.Helper()
	shown := []string{Redact(uri)}
	c, err := Parse(uri)
	if err != nil {
		shown = append(shown, err.Error(), err.(*ParseError).URI, err.(*ParseError).Pointer())
	} else {
		// What was read as something else than a password may be shown by
		// String, which knows what is what.
		for _, w := range c.Warnings {
			shown = append(shown, w.String())
		}
	}
	for _, text := range shown {
		if strings.Contains(text, token) {
			t.Errorf("%q shows the password: %s", uri, text)
		}
	}
}
