package engine

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// Update is a parsed update: a replacement, operators, or a pipeline.
type Update struct {
	replacement bson.D
	operators   bson.D
	pipeline    []bson.D
	filters     bsonkit.List
	vars        map[string]any
}

// ParseUpdate reads an update document. arrayFilters and let may be nil.
func ParseUpdate(doc []byte, arrayFilters [][]byte, let []byte) (*Update, error) {
	d, err := decode(doc)
	if err != nil {
		return nil, err
	}
	u := &Update{}
	if u.vars, err = parseLet(let); err != nil {
		return nil, err
	}
	for _, raw := range arrayFilters {
		f, err := decode(raw)
		if err != nil {
			return nil, err
		}
		u.filters = append(u.filters, &f)
	}
	if len(d) == 0 || !strings.HasPrefix(d[0].Key, "$") {
		for _, e := range d {
			if strings.HasPrefix(e.Key, "$") {
				return nil, Errorf(CodeDollarPrefixedField, "The dollar ($) prefixed field '%s' in '%s' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.", e.Key, e.Key)
			}
		}
		if len(arrayFilters) > 0 {
			return nil, Errorf(CodeFailedToParse, "Cannot specify array filters for a replacement-style update")
		}
		u.replacement = d
		if u.replacement == nil {
			u.replacement = bson.D{}
		}
		return u, nil
	}
	for _, e := range d {
		if mongokit.FieldUpdateOperators[e.Key] == nil {
			return nil, Errorf(CodeFailedToParse, "Unknown modifier: %s. Expected a valid update modifier or pipeline-style update specified as an array", e.Key)
		}
		if _, ok := e.Value.(bson.D); !ok {
			return nil, Errorf(CodeFailedToParse, "Modifiers operate on fields but we found type %T instead. For example: {$mod: {<field>: ...}}", e.Value)
		}
	}
	u.operators = d
	return u, checkConflicts(d)
}

// checkConflicts refuses two operators on one path, or on a path and a part of it.
func checkConflicts(operators bson.D) error {
	paths := map[string]bool{}
	add := func(path string) error {
		if paths[path] {
			return Errorf(CodeConflictingUpdate, "Updating the path '%s' would create a conflict at '%s'", path, path)
		}
		paths[path] = true
		return nil
	}
	for _, op := range operators {
		for _, e := range op.Value.(bson.D) {
			if err := add(e.Key); err != nil {
				return err
			}
			if to, ok := e.Value.(string); ok && op.Key == "$rename" {
				if err := add(to); err != nil {
					return err
				}
			}
		}
	}
	for path := range paths {
		for i, c := range path {
			if c == '.' && paths[path[:i]] {
				return Errorf(CodeConflictingUpdate, "Updating the path '%s' would create a conflict at '%s'", path, path[:i])
			}
		}
	}
	return nil
}

// ParsePipelineUpdate reads an update that is an aggregation pipeline.
func ParsePipelineUpdate(stages [][]byte, let []byte) (*Update, error) {
	u := &Update{pipeline: []bson.D{}}
	var err error
	if u.vars, err = parseLet(let); err != nil {
		return nil, err
	}
	for _, raw := range stages {
		d, err := decode(raw)
		if err != nil {
			return nil, err
		}
		if len(d) != 1 {
			return nil, Errorf(40323, "A pipeline stage specification object must contain exactly one field.")
		}
		switch d[0].Key {
		case "$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith":
		case "$match", "$sort", "$limit", "$skip", "$group", "$count", "$sortByCount", "$unwind", "$lookup", "$unionWith", "$facet", "$sample", "$out", "$merge":
			return nil, Errorf(CodeInvalidOptions, "%s is not allowed to be used within an update", d[0].Key)
		default:
			return nil, Errorf(CodeUnrecognizedStage, "Unrecognized pipeline stage name: '%s'", d[0].Key)
		}
		u.pipeline = append(u.pipeline, d)
	}
	return u, nil
}

// IsReplacement reports whether the update replaces whole documents.
func (u *Update) IsReplacement() bool { return u.replacement != nil }

// Apply returns what the update makes of a record that matched the filter,
// and whether that differs from what the record was.
func (u *Update) Apply(r *Record, f *Filter) ([]byte, bool, error) {
	old, err := decode(r.Raw)
	if err != nil {
		return nil, false, err
	}
	id, hasID := field(old, "_id")
	var next bson.D
	switch {
	case u.replacement != nil:
		next = append(bson.D{}, u.replacement...)
	case u.pipeline != nil:
		if next, err = u.runPipeline(old); err != nil {
			return nil, false, err
		}
	default:
		next = old
		if err := u.applyOperators(&next, f, false); err != nil {
			return nil, false, err
		}
	}
	newID, has := field(next, "_id")
	switch {
	case !has && hasID:
		next = append(bson.D{{Key: "_id", Value: id}}, next...)
	case has && hasID && Key(newID) != Key(id):
		return nil, false, Errorf(CodeImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	next = idFirst(next)
	raw, err := encode(next)
	if err != nil {
		return nil, false, err
	}
	return raw, !bytes.Equal(raw, r.Raw), nil
}

// Upsert returns the document that the update inserts where nothing matched.
// It may lack an _id.
func (u *Update) Upsert(f *Filter) ([]byte, error) {
	equal, err := mongokit.Extract(&f.doc)
	if err != nil {
		return nil, wrapError(err)
	}
	// Extract hands out values of the query, and operators change in place.
	raw, err := encode(*equal)
	if err != nil {
		return nil, err
	}
	seed, err := decode(raw)
	if err != nil {
		return nil, err
	}
	next := seed
	switch {
	case u.replacement != nil:
		next = append(bson.D{}, u.replacement...)
		if id, ok := field(seed, "_id"); ok {
			if own, has := field(next, "_id"); !has {
				next = append(bson.D{{Key: "_id", Value: id}}, next...)
			} else if Key(own) != Key(id) {
				return nil, Errorf(CodeImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
			}
		}
	case u.pipeline != nil:
		if next, err = u.runPipeline(seed); err != nil {
			return nil, err
		}
	default:
		if err := u.applyOperators(&next, f, true); err != nil {
			return nil, err
		}
	}
	return encode(idFirst(next))
}

func (u *Update) runPipeline(d bson.D) (bson.D, error) {
	docs := []bson.D{d}
	for _, st := range u.pipeline {
		var err error
		if docs, err = runStage(nil, st, docs, u.vars); err != nil {
			return nil, err
		}
	}
	return docs[0], nil
}

func (u *Update) applyOperators(d *bson.D, f *Filter, upsert bool) error {
	ops := bson.D{}
	for _, e := range u.operators {
		fields, err := u.concrete(e, *d, f)
		if err != nil {
			return err
		}
		if len(fields) > 0 {
			ops = append(ops, bson.E{Key: e.Key, Value: fields})
		}
	}
	if len(ops) == 0 {
		return nil
	}
	query := f.doc
	if _, err := mongokit.Apply(d, &query, &ops, upsert, u.filters); err != nil {
		return updateError(err)
	}
	return nil
}

// concrete returns the fields of one operator with positional paths resolved
// and values of its own, for mongokit stores what it is given.
func (u *Update) concrete(op bson.E, d bson.D, f *Filter) (bson.D, error) {
	raw, err := encode(op.Value.(bson.D))
	if err != nil {
		return nil, err
	}
	fields, err := decode(raw)
	if err != nil {
		return nil, err
	}
	for i, e := range fields {
		if strings.HasPrefix(e.Key, "$") {
			return nil, Errorf(CodeDollarPrefixedField, "The dollar ($) prefixed field '%s' is not valid for storage.", e.Key)
		}
		if e.Key == "" {
			return nil, Errorf(56, "An empty update path is not valid.")
		}
		if fields[i].Key, err = positional(e.Key, d, f); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// positional replaces the first "$" segment of a path by the index of the
// array element that the query matched.
func positional(path string, d bson.D, f *Filter) (string, error) {
	head, tail, ok := strings.Cut(path+".", ".$.")
	if !ok {
		return path, nil
	}
	list, _ := bsonkit.Get(&d, head).(bson.A)
	var query bson.D
	for _, e := range f.doc {
		if e.Key == head || strings.HasPrefix(e.Key, head+".") {
			query = append(query, e)
		}
	}
	for i := range list {
		if len(query) == 0 {
			break
		}
		probe := setPath(d, strings.Split(head, "."), bson.A{list[i]})
		if matched, err := match(&probe, query, f.vars); err == nil && matched {
			return strings.TrimSuffix(fmt.Sprintf("%s.%d.%s", head, i, tail), "."), nil
		}
	}
	return "", Errorf(CodeBadValue, "The positional operator did not find the match needed from the query.")
}

func updateError(err error) error {
	if _, ok := err.(*Error); ok {
		return err
	}
	msg := err.Error()
	switch {
	case strings.Contains(msg, "conflicting key"):
		return Errorf(CodeConflictingUpdate, "Updating the path would create a conflict: %s", msg)
	case strings.Contains(msg, "cannot put value"):
		return Errorf(CodePathNotViable, "Cannot create field: %s", msg)
	case strings.Contains(msg, "not a number"), strings.Contains(msg, "increment"), strings.Contains(msg, "multipl"):
		return Errorf(CodeTypeMismatch, "%s", msg)
	}
	return Errorf(CodeBadValue, "%s", msg)
}

func idFirst(d bson.D) bson.D {
	for i, e := range d {
		if e.Key == "_id" {
			if i == 0 {
				return d
			}
			out := make(bson.D, 0, len(d))
			out = append(append(out, e), d[:i]...)
			return append(out, d[i+1:]...)
		}
	}
	return d
}

// EnsureID returns the document with an _id in front, made when it has none.
func EnsureID(raw []byte) ([]byte, error) {
	d, err := decode(raw)
	if err != nil {
		return nil, err
	}
	id, ok := field(d, "_id")
	if !ok {
		return encode(append(bson.D{{Key: "_id", Value: primitive.NewObjectID()}}, d...))
	}
	switch id := id.(type) {
	case bson.D:
		for _, e := range id {
			if strings.HasPrefix(e.Key, "$") {
				return nil, Errorf(CodeDollarPrefixedField, "_id fields may not contain '$'-prefixed fields: %s is not valid for storage.", e.Key)
			}
		}
	case bson.A:
		return nil, Errorf(CodeInvalidIDField, "The '_id' value cannot be of type array")
	case primitive.Regex:
		return nil, Errorf(CodeInvalidIDField, "The '_id' value cannot be of type regex")
	}
	if d[0].Key == "_id" {
		return raw, nil
	}
	return encode(idFirst(d))
}

// IDKey returns the canonical key of a document's _id.
func IDKey(raw []byte) (string, error) {
	v := bson.Raw(raw).Lookup("_id")
	if v.IsZero() {
		return Key(nil), nil
	}
	one, err := bson.Marshal(bson.D{{Key: "_id", Value: v}})
	if err != nil {
		return "", Errorf(CodeBadValue, "invalid _id: %v", err)
	}
	d, err := decode(one)
	if err != nil {
		return "", err
	}
	return Key(d[0].Value), nil
}
