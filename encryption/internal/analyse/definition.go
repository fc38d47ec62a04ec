package analyse

import (
	"maps"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// definition appends a command that defines a collection or its indexes. What it compares fields with is stored by the
// server as it is, so that it may not be about encrypted fields.
func (a *analysis) definition(command []byte) error {
	s, err := a.defined(command)
	if err != nil {
		return err
	}
	if err := a.begin(s); err != nil {
		return err
	}
	if a.unanalysed {
		a.copied(command)
		return nil
	}
	for r := bsonwire.NewReader(command); r.Next(); {
		key, v := string(r.Key()), r.Value()
		switch {
		case key == "validator":
			err = a.validator(key, v)
		case key == "pipeline" && (a.name == "create" || a.name == "collMod"):
			err = a.view(command, key, v)
		case key == "encryptedFields" && a.name == "create":
			err = a.namedKeys(key, v)
		case key == "indexes" && a.name == "createIndexes":
			err = a.indexes(key, v)
		default:
			a.value(key, v)
		}
		if err != nil {
			return err
		}
	}
	if len(a.places) > 0 {
		return refuse("Comparison to encrypted fields not supported in %s: the server would keep what '%s' is compared with", a.name, a.places[0].Path)
	}
	return nil
}

// defined is the schema of the collection that a command defines.
func (a *analysis) defined(command []byte) (*Schema, error) {
	if a.name == "collMod" || a.name == "createIndexes" {
		return a.source.Schema(a.ctx, a.database, a.collection)
	}
	s, err := a.source.Local(a.ctx, a.database, a.collection)
	if s != nil || err != nil {
		return s, err
	}
	if v, ok := bsonwire.Lookup(command, "encryptedFields"); ok {
		if doc, ok := v.AsDocument(); ok {
			return FromEncryptedFields(a.ctx, a.collection, withKeys(doc), a.encrypter)
		}
	}
	if v, ok := bsonwire.Lookup(command, "validator", "$jsonSchema"); ok {
		if doc, ok := v.AsDocument(); ok {
			return FromJSONSchema(doc, false)
		}
	}
	return Plain(), nil
}

// namedKeys appends encryptedFields with the identifiers of keys that are named: servers know no names.
func (a *analysis) namedKeys(key string, v bsonwire.Value) error {
	doc, ok := v.AsDocument()
	if !ok {
		a.value(key, v)
		return nil
	}
	field := func(key string, v bsonwire.Value) error {
		doc, ok := v.AsDocument()
		if !ok {
			a.value(key, v)
			return nil
		}
		return a.document(key, func() error {
			for r := bsonwire.NewReader(doc); r.Next(); {
				name, isName := r.Value().AsString()
				if string(r.Key()) != "keyAltName" || !isName {
					a.value(string(r.Key()), r.Value())
					continue
				}
				id, err := a.encrypter.KeyID(a.ctx, placeholder.Key{AltName: name})
				if err != nil {
					return err
				}
				a.dst = bsonwire.AppendBinary(a.dst, "keyId", bson.TypeBinaryUUID, id[:])
				a.changed = true
			}
			return nil
		})
	}
	return a.document(key, func() error {
		for r := bsonwire.NewReader(doc); r.Next(); {
			list, isArray := r.Value().AsArray()
			if string(r.Key()) != "fields" || !isArray {
				a.value(string(r.Key()), r.Value())
				continue
			}
			if err := a.array("fields", list, field); err != nil {
				return err
			}
		}
		return nil
	})
}

// withKeys gives fields that have none the key of zeros: where there is nothing to encrypt, it does not matter.
func withKeys(fields []byte) bson.Raw {
	doc, start := bsonwire.Begin(nil)
	for r := bsonwire.NewReader(fields); r.Next(); {
		list, isArray := r.Value().AsArray()
		if string(r.Key()) != "fields" || !isArray {
			doc = bsonwire.AppendValue(doc, string(r.Key()), r.Value())
			continue
		}
		var array int
		doc, array = bsonwire.BeginArray(doc, "fields")
		i := 0
		for r := bsonwire.NewReader(list); r.Next(); i++ {
			field, ok := r.Value().AsDocument()
			if !ok {
				doc = bsonwire.AppendValue(doc, bsonwire.Index(i), r.Value())
				continue
			}
			var at int
			doc, at = bsonwire.BeginDocument(doc, bsonwire.Index(i))
			for r := bsonwire.NewReader(field); r.Next(); {
				if key := string(r.Key()); key != "keyId" && key != "keyAltName" {
					doc = bsonwire.AppendValue(doc, key, r.Value())
				}
			}
			doc = bsonwire.AppendBinary(doc, "keyId", bson.TypeBinaryUUID, make([]byte, 16))
			doc = bsonwire.End(doc, at)
		}
		doc = bsonwire.End(doc, array)
	}
	return bsonwire.End(doc, start)
}

// validator appends a validator: a $jsonSchema, and conditions.
func (a *analysis) validator(key string, v bsonwire.Value) error {
	doc, ok := v.AsDocument()
	if !ok {
		a.value(key, v)
		return nil
	}
	return a.document(key, func() error {
		rest, at := bsonwire.Begin(nil)
		for r := bsonwire.NewReader(doc); r.Next(); {
			key, v := string(r.Key()), r.Value()
			if key != "$jsonSchema" {
				rest = bsonwire.AppendValue(rest, key, v)
				continue
			}
			schema, ok := v.AsDocument()
			if !ok {
				return refuse("$jsonSchema must be a document")
			}
			if _, err := FromJSONSchema(schema, false); err != nil {
				return err
			}
			if a.root.encrypted() {
				if err := a.onlyEncrypts(schema, a.root, ""); err != nil {
					return err
				}
			}
			a.value(key, v)
		}
		return a.filter(bsonwire.End(rest, at))
	})
}

// shaping are the keywords of a schema that say nothing of the values of fields below.
var shaping = []string{"bsonType", "type", "title", "description", "required", "properties", "encryptMetadata", "additionalProperties", "minProperties", "maxProperties"}

// onlyEncrypts refuses a schema that says of an encrypted field something else than how it is encrypted.
func (a *analysis) onlyEncrypts(schema []byte, n *Node, prefix string) error {
	if _, ok := bsonwire.Lookup(schema, "encrypt"); ok {
		return nil
	}
	if n.field != nil {
		return refuse("Comparison to encrypted fields not supported: the $jsonSchema says of '%s' something else than how it is encrypted", strings.TrimSuffix(prefix, "."))
	}
	for r := bsonwire.NewReader(schema); r.Next(); {
		key, v := string(r.Key()), r.Value()
		if !slices.Contains(shaping, key) && mentionsValues(v) {
			return refuse("Comparison to encrypted fields not supported: the $jsonSchema has '%s' above encrypted fields", key)
		}
		doc, ok := v.AsDocument()
		if key != "properties" || !ok {
			continue
		}
		for r := bsonwire.NewReader(doc); r.Next(); {
			name := string(r.Key())
			child := n.child(name)
			sub, ok := r.Value().AsDocument()
			if !ok || !child.encrypted() {
				continue
			}
			if err := a.onlyEncrypts(sub, child, prefix+name+"."); err != nil {
				return err
			}
		}
	}
	return nil
}

func mentionsValues(v bsonwire.Value) bool {
	return v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray
}

// view appends the pipeline of a view, with what is known of the collection that it is on.
func (a *analysis) view(command []byte, key string, v bsonwire.Value) error {
	on, _ := bsonwire.Lookup(command, "viewOn")
	collection, ok := on.AsString()
	if !ok {
		return refuse("a pipeline needs viewOn")
	}
	s, err := a.foreign(collection)
	if err != nil {
		return err
	}
	_, err = a.sub(key, v, s, s.root)
	return err
}

// indexes appends the indexes of createIndexes.
func (a *analysis) indexes(key string, v bsonwire.Value) error {
	list, ok := v.AsArray()
	if !ok {
		a.value(key, v)
		return nil
	}
	return a.array(key, list, func(key string, v bsonwire.Value) error {
		doc, ok := v.AsDocument()
		if !ok {
			a.value(key, v)
			return nil
		}
		return a.document(key, func() error {
			for r := bsonwire.NewReader(doc); r.Next(); {
				key, v := string(r.Key()), r.Value()
				if key == "partialFilterExpression" {
					if err := a.filterAt(key, v); err != nil {
						return err
					}
					continue
				}
				a.value(key, v)
			}
			return nil
		})
	})
}

// compaction appends compactStructuredEncryptionData or cleanupStructuredEncryptionData, with the tokens that the server
// needs for it.
func (a *analysis) compaction(command []byte) error {
	s, err := a.source.Schema(a.ctx, a.database, a.collection)
	if err != nil {
		return err
	}
	a.copied(command)
	if s.Kind != Queryable {
		return nil // the server says what is missing
	}
	a.kind = Queryable
	tokens, err := a.encrypter.CompactionTokens(a.ctx, s.tokens)
	if err != nil {
		return err
	}
	if a.name == "cleanupStructuredEncryptionData" {
		a.dst = bsonwire.AppendDocument(a.dst, "cleanupTokens", tokens)
		return nil
	}
	a.dst = bsonwire.AppendDocument(a.dst, "compactionTokens", tokens)
	if len(s.tokens) > 0 {
		a.queryable = append(a.queryable, namespaced{a.database + "." + a.collection, s})
		a.appendInformation()
	}
	return nil
}

// bulkWrite appends a write over several collections.
func (a *analysis) bulkWrite(command []byte) error {
	spaces, err := a.namespaces(command)
	if err != nil {
		return err
	}
	a.settings(command)
	vars := maps.Clone(a.vars)
	for r := bsonwire.NewReader(command); r.Next(); {
		key, v := string(r.Key()), r.Value()
		list, isList := v.AsArray()
		switch {
		case key == "nsInfo" && isList:
			i := 0
			err = a.array(key, list, func(key string, v bsonwire.Value) error {
				i++
				return a.nsInfo(key, v, spaces[i-1])
			})
		case key == "ops" && isList && a.unanalysed:
			a.value(key, v)
		case key == "ops" && isList:
			several := count(list) > 1
			err = a.array(key, list, func(key string, v bsonwire.Value) error {
				a.vars = vars
				return a.bulkOp(key, v, spaces, several)
			})
		case key == "bulkWrite", harmless[key]:
			a.value(key, v)
		default:
			err = refuse("the field '%s' of bulkWrite is not known, and may have values of encrypted fields", key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func count(list []byte) (n int) {
	for r := bsonwire.NewReader(list); r.Next(); n++ {
	}
	return n
}

// space is a namespace of a bulkWrite.
type space struct {
	database, collection string
	schema               *Schema
}

func (a *analysis) namespaces(command []byte) (list []space, err error) {
	v, _ := bsonwire.Lookup(command, "nsInfo")
	infos, ok := v.AsArray()
	if !ok {
		return nil, refuse("bulkWrite needs nsInfo")
	}
	for r := bsonwire.NewReader(infos); r.Next(); {
		doc, _ := r.Value().AsDocument()
		ns, _ := bsonwire.Lookup(doc, "ns")
		name, _ := ns.AsString()
		database, collection, ok := strings.Cut(name, ".")
		if !ok || collection == "" {
			return nil, refuse("bulkWrite: '%s' is no namespace", name)
		}
		s, err := a.source.Schema(a.ctx, database, collection)
		if err != nil {
			return nil, err
		}
		if s.root.encrypted() {
			if a.kind != NoEncryption && a.kind != s.Kind {
				return nil, refuse("a command cannot have collections with field level encryption and collections with Queryable Encryption")
			}
			a.kind = s.Kind
		}
		list = append(list, space{database, collection, s})
	}
	return list, nil
}

// nsInfo appends a namespace, with what the server has to know of its encryption.
func (a *analysis) nsInfo(key string, v bsonwire.Value, s space) error {
	return a.document(key, func() error {
		a.copied(v.Data)
		if s.schema.Kind == Queryable && len(s.schema.tokens) > 0 {
			a.queryable = []namespaced{{s.database + "." + s.collection, s.schema}}
			a.appendInformation()
			a.queryable = nil
		}
		return nil
	})
}

func (a *analysis) bulkOp(key string, v bsonwire.Value, spaces []space, several bool) error {
	doc, ok := v.AsDocument()
	if !ok {
		return refuse("an operation of bulkWrite must be a document")
	}
	r := bsonwire.NewReader(doc)
	if !r.Next() {
		return refuse("an operation of bulkWrite is empty")
	}
	op := string(r.Key())
	i, ok := r.Value().AsInt64()
	if !ok || i < 0 || i >= int64(len(spaces)) || op != "insert" && op != "update" && op != "delete" {
		return refuse("'%s' is no operation of bulkWrite on one of its namespaces", op)
	}
	s := spaces[i]
	if several && op != "insert" && s.schema.Kind == Queryable && s.schema.root.encrypted() {
		return refuse("Only insert is supported in BulkWrite with multiple operations and Queryable Encryption")
	}
	a.database, a.collection = s.database, s.collection
	a.own, a.schema, a.root = s.schema, s.schema, s.schema.root
	return a.statement(key, "bulkWrite", doc)
}
