package mgxotel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/event"
)

// The attributes of the specification "OpenTelemetry" and of the semantic conventions.
var system = attribute.String("db.system.name", "mongodb")

const (
	databaseName     attribute.Key = "db.namespace"
	collectionName   attribute.Key = "db.collection.name"
	operationName    attribute.Key = "db.operation.name"
	operationSummary attribute.Key = "db.operation.summary"
	commandName      attribute.Key = "db.command.name"
	querySummary     attribute.Key = "db.query.summary"
	queryText        attribute.Key = "db.query.text"
	statusCode       attribute.Key = "db.response.status_code"
	serverAddress    attribute.Key = "server.address"
	serverPort       attribute.Key = "server.port"
	transport        attribute.Key = "network.transport"
	cursorID         attribute.Key = "db.mongodb.cursor_id"
	lsid             attribute.Key = "db.mongodb.lsid"
	txnNumber        attribute.Key = "db.mongodb.txn_number"
	serverConnection attribute.Key = "db.mongodb.server_connection_id"
	driverConnection attribute.Key = "db.mongodb.driver_connection_id"
	exceptionType    attribute.Key = "exception.type"
	exceptionText    attribute.Key = "exception.message"
	exceptionStack   attribute.Key = "exception.stacktrace"
	errorType        attribute.Key = "error.type"
)

// admin is the database whose collections are not the user's.
const admin = "admin"

// summary is what a span says in a few words: a name, and what it is about.
func summary(name, database, collection string) string {
	switch {
	case database == "":
		return name
	case collection == "" || database == admin:
		return name + " " + database
	}
	return name + " " + database + "." + collection
}

// namespace adds what an operation or a command is about.
func namespace(attrs []attribute.KeyValue, database, collection string) []attribute.KeyValue {
	if database == "" {
		return attrs
	}
	attrs = append(attrs, databaseName.String(database))
	if collection != "" && database != admin {
		attrs = append(attrs, collectionName.String(collection))
	}
	return attrs
}

// commandAttributes are those of a command's span, but for its text.
func commandAttributes(e *event.CommandStarted) []attribute.KeyValue {
	attrs := append(make([]attribute.KeyValue, 0, 13), system,
		commandName.String(e.CommandName),
		querySummary.String(summary(e.CommandName, e.DatabaseName, e.CollectionName)),
		driverConnection.Int64(e.DriverConnectionID),
	)
	attrs = namespace(attrs, e.DatabaseName, e.CollectionName)
	attrs = server(attrs, e.Address)
	if e.ServerConnectionID != 0 {
		attrs = append(attrs, serverConnection.Int64(e.ServerConnectionID))
	}
	if e.CursorID != 0 {
		attrs = append(attrs, cursorID.Int64(e.CursorID))
	}
	if id, ok := sessionID(e.Command); ok {
		attrs = append(attrs, lsid.String(id))
	}
	if v, ok := bsonwire.Lookup(e.Command, "txnNumber"); ok {
		if n, ok := v.AsInt64(); ok {
			attrs = append(attrs, txnNumber.Int64(n))
		}
	}
	return attrs
}

// server adds where a server is.
func server(attrs []attribute.KeyValue, address string) []attribute.KeyValue {
	if strings.Contains(address, "/") {
		return append(attrs, serverAddress.String(address), transport.String("unix"))
	}
	return append(location(attrs, address), transport.String("tcp"))
}

// location adds host and port, as far as there are any.
func location(attrs []attribute.KeyValue, address string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return append(attrs, serverAddress.String(address))
	}
	attrs = append(attrs, serverAddress.String(host))
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, serverPort.Int(n))
	}
	return attrs
}

// sessionID is the UUID of the session that a command is part of.
func sessionID(command bson.Raw) (string, bool) {
	v, ok := bsonwire.Lookup(command, "lsid", "id")
	if !ok {
		return "", false
	}
	_, b, ok := v.AsBinary()
	if !ok || len(b) != 16 {
		return "", false
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), true
}

// exception are the attributes of an error.
func exception(err error) []attribute.KeyValue {
	return append(make([]attribute.KeyValue, 0, 4),
		exceptionType.String(typeOf(err)), exceptionText.String(err.Error()), exceptionStack.String(string(debug.Stack())))
}

// codeOf is the code that a server gave an error.
func codeOf(err error) (string, bool) {
	var refused *mgx.ServerError
	var write *mgx.WriteError
	var concern *mgx.WriteConcernError
	var code int32
	switch {
	case errors.As(err, &refused):
		code = refused.Code
	case errors.As(err, &write) && write.Err == nil:
		code = write.Code
	case errors.As(err, &concern):
		code = concern.Code
	}
	return strconv.Itoa(int(code)), code != 0
}

// kinds are the categories that errors are told apart by which no server gave a code,
// the more special ones first.
var kinds = []struct {
	err  error
	name string
}{
	{context.Canceled, "context.Canceled"},
	{mgx.ErrWaitQueueTimeout, "mgx.ErrWaitQueueTimeout"},
	{mgx.ErrExceededMaxWaiters, "mgx.ErrExceededMaxWaiters"},
	{mgx.ErrAuthentication, "mgx.ErrAuthentication"},
	{mgx.ErrServerSelection, "mgx.ErrServerSelection"},
	{mgx.ErrTimeout, "mgx.ErrTimeout"},
	{mgx.ErrClosed, "mgx.ErrClosed"},
	{mgx.ErrConfiguration, "mgx.ErrConfiguration"},
	{mgx.ErrInvalidName, "mgx.ErrInvalidName"},
	{mgx.ErrDocumentTooLarge, "mgx.ErrDocumentTooLarge"},
	{mgx.ErrInvalidArgument, "mgx.ErrInvalidArgument"},
	{mgx.ErrUnsupported, "mgx.ErrUnsupported"},
	{mgx.ErrProtocol, "mgx.ErrProtocol"},
	{mgx.ErrAutoReconnect, "mgx.ErrAutoReconnect"},
	{mgx.ErrConnectionFailure, "mgx.ErrConnectionFailure"},
}

// typeOf names what kind of error it is, in one of few words.
func typeOf(err error) string {
	if _, ok := codeOf(err); ok {
		return fromServer(err)
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
}

// fromServer names the type that holds what a server said.
func fromServer(err error) string {
	switch {
	case errors.As(err, new(*mgx.BulkWriteError)):
		return "mgx.BulkWriteError"
	case errors.As(err, new(*mgx.ServerError)):
		return "mgx.ServerError"
	case errors.As(err, new(*mgx.WriteError)):
		return "mgx.WriteError"
	}
	return "mgx.WriteConcernError"
}
