package mongo

import (
	"reflect"
	"strings"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// unsupported are the options that are refused, with the reason. The key is the name of
// the type and of the field.
var unsupported = map[string]string{
	"AggregateOptions.Custom":                 "mgx sends no fields that it does not know; Database.RunCommandCursor sends a command as it is",
	"ChangeStreamOptions.Custom":              "mgx sends no fields that it does not know",
	"ChangeStreamOptions.CustomPipeline":      "mgx sends no fields that it does not know",
	"ClientOptions.AutoEncryptionOptions":     "this package has no automatic encryption",
	"ClientOptions.Crypt":                     "it belongs to the official driver's internals",
	"ClientOptions.Custom":                    "it belongs to the official driver's internals",
	"ClientOptions.Deployment":                "it belongs to the official driver's internals",
	"ClientOptions.HTTPClient":                "mgx has HTTP clients of its own",
	"CreateCollectionOptions.EncryptedFields": "this package has no Queryable Encryption",
	"DropCollectionOptions.EncryptedFields":   "this package has no Queryable Encryption",
	"FindOneOptions.OplogReplay":              "servers ignore it since version 4.4",
	"FindOptions.OplogReplay":                 "servers ignore it since version 4.4",
}

// internalReason is why the field Internal of options is refused, which package xoptions
// sets.
const internalReason = "it is set by the official driver's internals (package xoptions)"

// unsupportedError is an option that this package refuses.
type unsupportedError struct{ option, reason string }

func (e *unsupportedError) Error() string {
	return "mongo: the option " + e.option + " is not supported: " + e.reason
}

func (e *unsupportedError) Is(target error) bool { return target == mgx.ErrUnsupported }

// refuse returns an error for the first field of an options struct that is set and not
// supported.
func refuse(args any) error {
	v := reflect.ValueOf(args).Elem()
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || v.Field(i).IsZero() {
			continue
		}
		name := t.Name() + "." + f.Name
		if f.Name == "Internal" {
			return &unsupportedError{"options." + name, internalReason}
		}
		if reason, ok := unsupported[name]; ok && name != "ClientOptions.HTTPClient" {
			return &unsupportedError{"options." + name, reason}
		}
	}
	return nil
}

// merge applies options in their order, and refuses what is not supported.
func merge[T any](opts []options.Lister[T]) (*T, error) {
	args := new(T)
	for _, opt := range opts {
		if opt == nil || reflect.ValueOf(opt).Kind() == reflect.Pointer && reflect.ValueOf(opt).IsNil() {
			continue
		}
		for _, set := range opt.List() {
			if set == nil {
				continue
			}
			if err := set(args); err != nil {
				return nil, err
			}
		}
	}
	return args, refuse(args)
}

// is reports whether an option is there and true.
func is(b *bool) bool { return b != nil && *b }

// isUnorderedMap reports whether v is a map of several keys, which has no order.
func isUnorderedMap(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Map && r.Len() > 1
}

// beginsWithDollar reports whether a key is an operator's.
func beginsWithDollar(key string) bool { return strings.HasPrefix(key, "$") }
