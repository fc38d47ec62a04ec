package analyse

import (
	"fmt"
	"strings"

	"github.com/mgxdb/mgx/bson"
)

// Error is a command, or a schema, that cannot be analysed safely.
type Error struct{ text string }

// Error implements error.
func (e *Error) Error() string { return e.text }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// typeNames are the names that the server has for BSON types.
var typeNames = map[bson.Type]string{
	bson.TypeDouble: "double", bson.TypeString: "string", bson.TypeEmbeddedDocument: "object", bson.TypeArray: "array",
	bson.TypeBinary: "binData", bson.TypeUndefined: "undefined", bson.TypeObjectID: "objectId", bson.TypeBoolean: "bool",
	bson.TypeDateTime: "date", bson.TypeNull: "null", bson.TypeRegex: "regex", bson.TypeDBPointer: "dbPointer",
	bson.TypeJavaScript: "javascript", bson.TypeSymbol: "symbol", bson.TypeCodeWithScope: "javascriptWithScope",
	bson.TypeInt32: "int", bson.TypeTimestamp: "timestamp", bson.TypeInt64: "long", bson.TypeDecimal128: "decimal",
	bson.TypeMinKey: "minKey", bson.TypeMaxKey: "maxKey",
}

var typesByName = func() map[string]bson.Type {
	m := map[string]bson.Type{}
	for t, name := range typeNames {
		m[name] = t
	}
	return m
}()

func nameOf(t bson.Type) string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("%#x", byte(t))
}

func namesOf(types []bson.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = nameOf(t)
	}
	return strings.Join(names, ", ")
}
