package unified

import (
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
)

// credentials are the fields that each kind of KMS provider needs.
var credentials = map[string][]string{
	"aws":   {"accessKeyId", "secretAccessKey"},
	"azure": {"tenantId", "clientId", "clientSecret"},
	"gcp":   {"email", "privateKey"},
	"kmip":  {"endpoint"},
	"local": {"key"},
}

// encryptionFault is what keeps a file's client encryption from being made by any
// driver: no KMS provider, or one with a part of its credentials alone. (One with
// nothing at all finds them in its environment.)
func encryptionFault(list []bson.D) error {
	for _, d := range list {
		if d[0].Key != "clientEncryption" {
			continue
		}
		spec, _ := d[0].Value.(bson.D)
		providers := get[bson.D](get[bson.D](spec, "clientEncryptionOpts"), "kmsProviders")
		if len(providers) == 0 {
			return malformedf("%s has no KMS provider", get[string](spec, "id"))
		}
		for _, p := range providers {
			kind, _, _ := strings.Cut(p.Key, ":") // a name may follow
			given, _ := p.Value.(bson.D)
			missing := slices.DeleteFunc(slices.Clone(credentials[kind]), func(name string) bool {
				_, ok := lookup(given, name)
				return ok
			})
			// Who has got a token already needs no credentials to get one.
			if _, token := lookup(given, "accessToken"); token && (kind == "azure" || kind == "gcp") {
				continue
			}
			if len(given) > 0 && len(missing) > 0 {
				return malformedf("%s: the KMS provider %s has no %s", get[string](spec, "id"), p.Key, missing[0])
			}
		}
	}
	return nil
}
