package mgxtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

func init() {
	register(
		&command{name: "compactStructuredEncryptionData", write: true, fields: "compactionTokens encryptionInformation anchorPaddingFactor", run: compaction("compactionTokens")},
		&command{name: "cleanupStructuredEncryptionData", write: true, fields: "cleanupTokens encryptionInformation", run: compaction("cleanupTokens")},
	)
}

// codeNotEncrypted is the error of such a command on any other collection.
const codeNotEncrypted = 6346807

// compaction is a command that compacts the collections beside an encrypted one. Nothing
// is in them here: that half of Queryable Encryption is not simulated.
func compaction(tokens string) func(*mongod, *request) (bson.D, error) {
	return func(d *mongod, r *request) (bson.D, error) {
		ns, err := r.collection()
		if err != nil {
			return nil, err
		}
		if v := r.body.Lookup(tokens); v.Type != bson.TypeEmbeddedDocument {
			return nil, failf(codeMissingField, "BSON field '%s.%s' is missing but a required field", r.name, tokens)
		}
		c := d.store.Collection(ns)
		if c == nil {
			return nil, failf(codeNamespaceNotFound, "Namespace %s does not exist", ns)
		}
		if _, err := bson.Raw(c.Options).LookupErr("encryptedFields"); err != nil {
			return nil, failf(codeNotEncrypted, "Target namespace is not an encrypted collection")
		}
		none := bson.D{{Key: "read", Value: int64(0)}, {Key: "inserted", Value: int64(0)}, {Key: "updated", Value: int64(0)}, {Key: "deleted", Value: int64(0)}}
		return bson.D{{Key: "stats", Value: bson.D{
			{Key: "ecoc", Value: bson.D{none[0], none[3]}}, {Key: "esc", Value: none},
		}}}, nil
	}
}
