package mgxtest

import (
	"context"
	"maps"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// request is one command on its way.
type request struct {
	ctx  context.Context
	conn *conn
	// name is the command as sent, cmd what it is; cmd is nil for the unknown.
	name string
	cmd  *command
	db   string
	body bson.Raw
	seqs map[string][]bson.Raw
	// legacy marks an OP_QUERY, exhaust an OP_MSG that allows a stream.
	legacy, exhaust bool
	// internal marks what a mongos asks of a shard.
	internal bool

	lsid       string
	lsidDoc    bson.Raw
	txnNumber  int64
	hasTxn     bool
	inTxn      bool // autocommit: false
	startTxn   bool
	wc         writeConcern
	readPref   string
	rcGiven    bool
	rcLevel    string
	afterTime  timestamp
	atTime     timestamp
	maxTime    time.Duration
	apiVersion string

	// recovers marks a commit that asks, through a mongos that did not see the
	// transaction, how it ended.
	recovers bool

	// What the command's work leaves for the reply: a write concern error, and that it
	// was about a change stream.
	wce     *commandError
	streams bool
}

// command is an entry of the command table.
type command struct {
	name string
	run  func(d *mongod, r *request) (bson.D, error)
	// write commands need a primary; read commands go to secondaries only
	// with a read preference.
	write, read bool
	// txn commands may be part of a transaction, retry commands may carry a
	// transaction number outside of one.
	txn, retry bool
	admin      bool
	// secret commands carry passwords or what could stand for one.
	secret bool
	// v1 commands belong to the stable API, v2 ones to the version of it that is for
	// tests. deprecated is the version in which a command is deprecated.
	v1, v2     bool
	deprecated string
	// fields are the arguments that the server knows, "" where it is lenient; a
	// release that one came with stands behind an @.
	fields string
	// from is the wire version of the release that the command came with, until
	// that of the last one that had it, 0 where it is there still.
	from, until int32

	known map[string]int32
}

const genericFields = "$db lsid txnNumber autocommit startTransaction $clusterTime $readPreference readConcern writeConcern maxTimeMS comment@4.4 apiVersion@5.0 apiStrict@5.0 apiDeprecationErrors@5.0 stmtId stmtIds rawData@8.2 $audit $client $configTime $topologyTime help jsonSchema databaseVersion shardVersion maxTimeMSOpOnly mayBypassWriteBlocking $tenant expectPrefix serialization_context"

// genericNames are the names in genericFields.
var genericNames = namesOf(genericFields)

func namesOf(list string) map[string]int32 {
	names := map[string]int32{}
	for _, f := range strings.Fields(list) {
		name, wire := argument(f)
		names[name] = wire
	}
	return names
}

var commands = map[string]*command{}

func register(list ...*command) {
	for _, c := range list {
		if c.fields != "" {
			c.known = namesOf(genericFields + " " + c.fields)
			c.known[c.name] = 0
		}
		commands[c.name] = c
	}
}

// alias makes a second name for a command.
func alias(name, target string) {
	c := *commands[target]
	if c.known != nil {
		known := maps.Clone(c.known)
		known[name] = 0
		c.known = known
	}
	commands[name] = &c
}

// parse reads what all commands have in common.
func (r *request) parse() error {
	elems, err := r.body.Elements()
	if err != nil || len(elems) == 0 {
		return failf(codeFailedToParse, "the command is not a valid document")
	}
	r.name = elems[0].Key()
	if r.cmd = commands[r.name]; r.cmd != nil && (!r.since(r.cmd.from) || r.cmd.until > 0 && r.since(r.cmd.until+1)) {
		r.cmd = nil
	}
	for _, e := range elems {
		v := e.Value()
		switch e.Key() {
		case "$db":
			r.db, _ = v.StringValueOK()
		case "lsid":
			d, _ := v.DocumentOK()
			_, id, ok := d.Lookup("id").BinaryOK()
			if !ok || len(id) != 16 {
				return failf(codeMissingField, "BSON field 'lsid.id' is missing or is no UUID")
			}
			r.lsid, r.lsidDoc = string(id), d
		case "txnNumber":
			n, ok := v.Int64OK()
			if !ok {
				return failf(codeTypeMismatch, "BSON field 'txnNumber' is the wrong type '%s', expected type 'long'", typeNameOf(v))
			}
			r.txnNumber, r.hasTxn = n, true
		case "autocommit":
			if b, ok := v.BooleanOK(); !ok || b {
				return failf(codeInvalidOptions, "autocommit must be false")
			}
			r.inTxn = true
		case "startTransaction":
			if b, ok := v.BooleanOK(); !ok || !b {
				return failf(codeInvalidOptions, "startTransaction must be true")
			}
			r.startTxn = true
		case "maxTimeMS":
			n, ok := asInt(v)
			if !ok || n < 0 {
				return failf(codeBadValue, "maxTimeMS has invalid value")
			}
			r.maxTime = time.Duration(n) * time.Millisecond
		case "$readPreference":
			d, _ := v.DocumentOK()
			r.readPref, _ = d.Lookup("mode").StringValueOK()
		case "readConcern":
			d, ok := v.DocumentOK()
			if !ok {
				return failf(codeTypeMismatch, "BSON field 'readConcern' is the wrong type")
			}
			if err := r.parseReadConcern(d); err != nil {
				return err
			}
		case "writeConcern":
			d, ok := v.DocumentOK()
			if !ok {
				return failf(codeTypeMismatch, "BSON field 'writeConcern' is the wrong type")
			}
			if r.wc, err = parseWriteConcern(d); err != nil {
				return err
			}
		case "$clusterTime":
			d, _ := v.DocumentOK()
			if t, i, ok := d.Lookup("clusterTime").TimestampOK(); ok && r.conn != nil {
				r.conn.m.gossip(timestamp{t, i})
			}
		}
	}
	return nil
}

// check refuses what no server would run.
func (r *request) check() error {
	if r.cmd == nil {
		return failf(codeCommandNotFound, "no such command: '%s'", r.name)
	}
	if r.db == "" {
		return failf(40571, "OP_MSG requests require a $db argument")
	}
	if strings.ContainsAny(r.db, ". \"\\/\x00") || strings.Contains(r.db, "$") && r.db != "$external" || len(r.db) > 63 {
		return failf(codeInvalidNamespace, "Invalid database name: '%s'", r.db)
	}
	if r.cmd.admin && r.db != "admin" {
		return failf(codeUnauthorized, "%s may only be run against the admin database.", r.name)
	}
	if r.cmd.known != nil {
		elems, _ := r.body.Elements()
		seen := map[string]bool{}
		for _, e := range elems {
			k := e.Key()
			if wire, ok := r.cmd.known[k]; !ok || !r.since(wire) {
				return r.unknownArgument(k)
			}
			if seen[k] {
				return failf(40413, "BSON field '%s.%s' is a duplicate field", r.cmd.name, k)
			}
			seen[k] = true
		}
	}
	if v, ok := r.get("comment"); ok && v.Type != bson.TypeString && !r.since(wire44) {
		return failf(codeTypeMismatch, "\"comment\" had the wrong type. Expected string, found %s", typeNameOf(v))
	}
	if err := r.checkTypes(); err != nil {
		return err
	}
	if err := r.checkAPI(); err != nil {
		return err
	}
	if err := r.checkTransaction(); err != nil {
		return err
	}
	return r.checkConcerns()
}

// documentFields are the arguments that have to be documents, by command.
var documentFields = map[string][]string{
	"find": {"filter", "projection", "sort", "let", "collation", "min", "max"}, "count": {"query", "collation"},
	"distinct": {"query", "collation"}, "aggregate": {"cursor", "let", "collation"}, "findAndModify": {"query", "sort", "fields", "let", "collation"},
	"listCollections": {"filter", "cursor"}, "listDatabases": {"filter"}, "update": {"let"}, "delete": {"let"}, "bulkWrite": {"let", "cursor"},
}

func (r *request) checkTypes() error {
	for _, name := range documentFields[r.cmd.name] {
		if v, ok := r.get(name); ok && v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeNull {
			return failf(codeTypeMismatch, "BSON field '%s.%s' is the wrong type '%s', expected type 'object'", r.cmd.name, name, typeNameOf(v))
		}
	}
	return nil
}

func (r *request) checkAPI() error {
	v, ok := r.get("apiVersion")
	if !ok {
		for _, name := range []string{"apiStrict", "apiDeprecationErrors"} {
			if _, has := r.get(name); has {
				return failf(codeInvalidOptions, "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion")
			}
		}
		if r.switchedOn("requireApiVersion") {
			return failf(498870, "The apiVersion parameter is required, please configure your MongoClient's API version")
		}
		return nil
	}
	r.apiVersion, _ = v.StringValueOK()
	stable := r.cmd.v1
	switch {
	case r.apiVersion == "2" && r.switchedOn("acceptApiVersion2"):
		stable = r.cmd.v2
	case r.apiVersion != "1":
		return failf(codeAPIVersionError, "API version must be \"1\"")
	}
	if r.boolean("apiStrict") && !stable {
		return failf(codeAPIStrictError, "Provided apiStrict:true, but the command %s is not in API Version %s", r.name, r.apiVersion)
	}
	if r.boolean("apiDeprecationErrors") && r.cmd.deprecated == r.apiVersion {
		return failf(codeAPIDeprecationError, "Provided apiDeprecationErrors:true, but the command %s is deprecated in API Version %s",
			r.name, r.apiVersion)
	}
	return nil
}

func (r *request) checkTransaction() error {
	switch {
	case r.hasTxn && r.lsid == "":
		return failf(codeInvalidOptions, "Transaction number requires a session ID to also be specified")
	case r.inTxn && !r.hasTxn:
		return failf(codeInvalidOptions, "'autocommit' field requires a transaction number to also be specified")
	case r.startTxn && !r.inTxn:
		return failf(codeInvalidOptions, "'startTransaction' field requires 'autocommit' field to also be specified")
	case r.inTxn && !r.cmd.txn:
		return failf(codeOperationNotSupportedInTxn, "Cannot run '%s' in a multi-document transaction.", r.name)
	case r.hasTxn && !r.inTxn && !r.cmd.retry:
		return failf(50768, "txnNumber may only be provided for multi-document transactions and retryable write commands. autocommit:false was not provided, and %s is not a retryable write command.", r.name)
	case r.inTxn && r.wc.given && r.name != "commitTransaction" && r.name != "abortTransaction":
		return failf(codeInvalidOptions, "writeConcern is not allowed within a multi-statement transaction")
	case r.inTxn && r.rcGiven && !r.startTxn:
		return failf(codeInvalidOptions, "Only the first command in a transaction may specify a readConcern")
	case r.inTxn && (r.rcLevel == "linearizable" || r.rcLevel == "available"):
		return failf(codeInvalidOptions, "The readConcern level must be either 'local' (default), 'majority' or 'snapshot' in order to run in a transaction")
	}
	return nil
}

// retryableWrite reports whether the request is one whose errors carry
// RetryableWriteError.
func (r *request) retryableWrite() bool {
	return r.hasTxn && !r.inTxn || r.name == "commitTransaction" || r.name == "abortTransaction"
}

func (r *request) get(key string) (bson.RawValue, bool) {
	v, err := r.body.LookupErr(key)
	return v, err == nil
}

func (r *request) text(key string) string {
	v, _ := r.get(key)
	s, _ := v.StringValueOK()
	return s
}

func (r *request) boolean(key string) bool {
	v, ok := r.get(key)
	return ok && asBool(v)
}

func (r *request) number(key string, def int64) int64 {
	if v, ok := r.get(key); ok {
		if n, ok := asInt(v); ok {
			return n
		}
	}
	return def
}

func (r *request) document(key string) bson.Raw {
	v, _ := r.get(key)
	d, _ := v.DocumentOK()
	return d
}

// documents returns a list argument, from the body or its own section.
func (r *request) documents(key string) ([]bson.Raw, error) {
	if list, ok := r.seqs[key]; ok {
		return list, nil
	}
	v, ok := r.get(key)
	if !ok {
		return nil, failf(codeMissingField, "BSON field '%s.%s' is missing but a required field", r.name, key)
	}
	return rawDocuments(v, r.name+"."+key)
}

func rawDocuments(v bson.RawValue, name string) ([]bson.Raw, error) {
	arr, ok := v.ArrayOK()
	if !ok {
		return nil, failf(codeTypeMismatch, "BSON field '%s' is the wrong type '%s', expected type 'array'", name, typeNameOf(v))
	}
	values, err := arr.Values()
	if err != nil {
		return nil, failf(codeFailedToParse, "%v", err)
	}
	out := make([]bson.Raw, len(values))
	for i, item := range values {
		d, ok := item.DocumentOK()
		if !ok {
			return nil, failf(codeTypeMismatch, "BSON field '%s.%d' is the wrong type '%s', expected type 'object'", name, i, typeNameOf(item))
		}
		out[i] = d
	}
	return out, nil
}

// collection returns the namespace that the command's first value names.
func (r *request) collection() (string, error) {
	v := r.body.Index(0).Value()
	name, ok := v.StringValueOK()
	if !ok {
		return "", failf(codeInvalidNamespace, "collection name has invalid type %s", typeNameOf(v))
	}
	if err := checkCollection(name); err != nil {
		return "", err
	}
	return r.db + "." + name, nil
}

func checkCollection(name string) error {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "$\x00") && name != "$cmd.aggregate" {
		return failf(codeInvalidNamespace, "Invalid collection name: '%s'", name)
	}
	return nil
}

// typeNameOf is the name that servers have for a value's type.
func typeNameOf(v bson.RawValue) string {
	if name, ok := typeNames[v.Type]; ok {
		return name
	}
	return "missing"
}

var typeNames = map[bson.Type]string{
	bson.TypeDouble: "double", bson.TypeString: "string", bson.TypeEmbeddedDocument: "object", bson.TypeArray: "array",
	bson.TypeBinary: "binData", bson.TypeUndefined: "undefined", bson.TypeObjectID: "objectId", bson.TypeBoolean: "bool",
	bson.TypeDateTime: "date", bson.TypeNull: "null", bson.TypeRegex: "regex", bson.TypeDBPointer: "dbPointer",
	bson.TypeJavaScript: "javascript", bson.TypeSymbol: "symbol", bson.TypeCodeWithScope: "javascriptWithScope",
	bson.TypeInt32: "int", bson.TypeTimestamp: "timestamp", bson.TypeInt64: "long", bson.TypeDecimal128: "decimal",
	bson.TypeMinKey: "minKey", bson.TypeMaxKey: "maxKey",
}

func asInt(v bson.RawValue) (int64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		n, ok := v.Int32OK()
		return int64(n), ok
	case bson.TypeInt64:
		return v.Int64OK()
	case bson.TypeDouble:
		f, ok := v.DoubleOK()
		return int64(f), ok && f == float64(int64(f))
	}
	return 0, false
}

func asBool(v bson.RawValue) bool {
	if b, ok := v.BooleanOK(); ok {
		return b
	}
	if v.Type == bson.TypeDouble {
		f, _ := v.DoubleOK()
		return f != 0
	}
	n, ok := asInt(v)
	return ok && n != 0
}

// merged returns the whole command, sections included, as one document.
func (r *request) merged() bson.Raw {
	if len(r.seqs) == 0 {
		return r.body
	}
	var d bson.D
	elems, _ := r.body.Elements()
	for _, e := range elems {
		d = append(d, bson.E{Key: e.Key(), Value: e.Value()})
	}
	for key, list := range r.seqs {
		d = append(d, bson.E{Key: key, Value: list})
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		return r.body
	}
	return raw
}
