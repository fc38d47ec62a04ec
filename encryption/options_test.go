package encryption

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
)

func vault(t *testing.T) *mgx.Collection {
	t.Helper()
	return withKeys(t, local(t)).keys.vault
}

func TestOptionsAreChecked(t *testing.T) {
	coll := vault(t)
	key := Local{Key: make([]byte, 96)}
	for name, o := range map[string]*Options{
		"nil":                       nil,
		"no key vault":              {Providers: local(t)},
		"no provider":               {KeyVault: coll},
		"an unknown kind":           {KeyVault: coll, Providers: map[string]Provider{"vault": key}},
		"a bad name":                {KeyVault: coll, Providers: map[string]Provider{"local:a-b": key}},
		"an empty name":             {KeyVault: coll, Providers: map[string]Provider{"local:": key}},
		"another kind":              {KeyVault: coll, Providers: map[string]Provider{"aws": key}},
		"no value":                  {KeyVault: coll, Providers: map[string]Provider{"aws": nil}},
		"a short local key":         {KeyVault: coll, Providers: map[string]Provider{"local": Local{Key: make([]byte, 95)}}},
		"half of AWS":               {KeyVault: coll, Providers: map[string]Provider{"aws": AWS{AccessKeyID: "x"}}},
		"a session token alone":     {KeyVault: coll, Providers: map[string]Provider{"aws": AWS{SessionToken: "x"}}},
		"named AWS on demand":       {KeyVault: coll, Providers: map[string]Provider{"aws:x": AWS{}}},
		"half of Azure":             {KeyVault: coll, Providers: map[string]Provider{"azure": Azure{ClientID: "x"}}},
		"Azure twice":               {KeyVault: coll, Providers: map[string]Provider{"azure": Azure{TenantID: "t", ClientID: "x", ClientSecret: "s", AccessToken: "t"}}},
		"named Azure on demand":     {KeyVault: coll, Providers: map[string]Provider{"azure:x": Azure{}}},
		"half of GCP":               {KeyVault: coll, Providers: map[string]Provider{"gcp": GCP{Email: "x"}}},
		"no key of GCP":             {KeyVault: coll, Providers: map[string]Provider{"gcp": GCP{Email: "x", PrivateKey: []byte("x")}}},
		"named GCP on demand":       {KeyVault: coll, Providers: map[string]Provider{"gcp:x": GCP{}}},
		"KMIP without a server":     {KeyVault: coll, Providers: map[string]Provider{"kmip": KMIP{}}},
		"a negative expiration":     {KeyVault: coll, Providers: local(t), KeyExpiration: -2},
		"TLS of nobody":             {KeyVault: coll, Providers: local(t), TLS: map[string]*mgx.TLS{"aws": {}}},
		"TLS without a certificate": {KeyVault: coll, Providers: map[string]Provider{"kmip": KMIP{Endpoint: "x"}}, TLS: map[string]*mgx.TLS{"kmip": {CAFile: "/nowhere"}}},
	} {
		if c, err := New(o); c != nil || !errors.Is(err, mgx.ErrEncryption) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, insecure := range map[string]*mgx.TLS{
		"insecure": {Insecure: true}, "certificates": {AllowInvalidCertificates: true}, "names": {AllowInvalidHostnames: true},
		"revocation": {DisableRevocationCheck: true}, "config": {Config: &tls.Config{InsecureSkipVerify: true}},
	} {
		_, err := New(&Options{KeyVault: coll, Providers: map[string]Provider{"kmip": KMIP{Endpoint: "x"}}, TLS: map[string]*mgx.TLS{"kmip": insecure}})
		if err == nil || !strings.Contains(err.Error(), "Insecure TLS options prohibited") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, p := range map[string]Provider{
		"aws": AWS{}, "aws:name": AWS{AccessKeyID: "a", SecretAccessKey: "s"}, "azure": Azure{}, "azure:2": Azure{AccessToken: "t"}, "gcp": GCP{},
		"gcp:a_B": GCP{AccessToken: "t"}, "kmip:x": KMIP{Endpoint: "localhost:5698"}, "local:x": Local{Key: make([]byte, 96)},
	} {
		o := &Options{KeyVault: coll, Providers: map[string]Provider{name: p}, TLS: map[string]*mgx.TLS{name: {DisableOCSPEndpointCheck: true}}, KeyExpiration: NeverExpire}
		if _, err := New(o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	for _, v := range []any{
		Local{Key: []byte("hidden")}, AWS{AccessKeyID: "a", SecretAccessKey: "hidden", SessionToken: "hidden"},
		Azure{ClientSecret: "hidden", AccessToken: "hidden"}, GCP{PrivateKey: []byte("hidden"), AccessToken: "hidden"}, AccessToken{Token: "hidden"},
		map[string]Provider{"local": Local{Key: []byte("hidden")}},
	} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			got := fmt.Sprintf(format, v)
			if strings.Contains(got, "hidden") || strings.Contains(got, "68696464656e") || strings.Contains(got, "104 105") || strings.Contains(got, "0x68, 0x69") {
				t.Errorf("%s of %T prints %s", format, v, got)
			}
		}
	}
}
