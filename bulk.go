package mgx

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/reply"
)

// WriteModel is one write of a BulkWrite.
type WriteModel struct {
	kind             writeKind
	document, filter any               // document: also the update or replacement
	own              *statementOptions // nil: none
}

type writeKind uint8

const (
	writeInsert writeKind = iota
	writeUpdateOne
	writeUpdateMany
	writeReplaceOne
	writeDeleteOne
	writeDeleteMany
)

// command is the command that runs a kind of writes.
func (k writeKind) command() (name, sequence string) {
	switch k {
	case writeInsert:
		return "insert", "documents"
	case writeDeleteOne, writeDeleteMany:
		return "delete", "deletes"
	}
	return "update", "updates"
}

// InsertOneModel inserts a document.
func InsertOneModel(document any) WriteModel {
	return WriteModel{kind: writeInsert, document: document}
}

// UpdateOneModel changes the first document that matches the filter.
func UpdateOneModel(filter, update any, options ...UpdateModelOption) WriteModel {
	return WriteModel{kind: writeUpdateOne, filter: filter, document: update, own: modelOptions(options)}
}

// UpdateManyModel changes every document that matches the filter.
func UpdateManyModel(filter, update any, options ...UpdateManyModelOption) WriteModel {
	return WriteModel{kind: writeUpdateMany, filter: filter, document: update, own: modelOptions(options)}
}

// ReplaceOneModel replaces the first document that matches the filter.
func ReplaceOneModel(filter, replacement any, options ...ReplaceModelOption) WriteModel {
	return WriteModel{kind: writeReplaceOne, filter: filter, document: replacement, own: modelOptions(options)}
}

// DeleteOneModel removes the first document that matches the filter.
func DeleteOneModel(filter any, options ...DeleteModelOption) WriteModel {
	return WriteModel{kind: writeDeleteOne, filter: filter, own: modelOptions(options)}
}

// DeleteManyModel removes every document that matches the filter.
func DeleteManyModel(filter any, options ...DeleteModelOption) WriteModel {
	return WriteModel{kind: writeDeleteMany, filter: filter, own: modelOptions(options)}
}

// noOptions are those of a model that has none.
var noOptions statementOptions

func (m *WriteModel) options() *statementOptions {
	if m.own == nil {
		return &noOptions
	}
	return m.own
}

// scratch holds settings that models' options are applied to: models keep the few
// that they can have.
var scratch = sync.Pool{New: func() any { return new(settings) }}

func modelOptions[O applier](options []O) *statementOptions {
	if len(options) == 0 {
		return nil
	}
	s := scratch.Get().(*settings)
	for _, o := range options {
		o.apply(s)
	}
	own := s.statementOptions
	*s = settings{}
	scratch.Put(s)
	return &own
}

// BulkWriteResult is what a BulkWrite did. Its counts are 0 for a write concern
// of w=0.
type BulkWriteResult struct {
	InsertedCount, MatchedCount, ModifiedCount, DeletedCount, UpsertedCount int64
	// InsertedIDs are the _ids of the inserted documents, UpsertedIDs those of the
	// documents inserted by upserts, by the index of their models, as far as the server
	// has confirmed them.
	InsertedIDs, UpsertedIDs map[int]any
	// Acknowledged is false for a write concern of w=0.
	Acknowledged bool
}

// BulkWrite runs writes of several kinds. In order, it stops at the first that is
// refused; with Unordered, writes of one kind go together and all are tried. The
// error is then a *BulkWriteError, with the indexes of the models.
func (c *Collection) BulkWrite(ctx context.Context, models []WriteModel, options ...BulkOption) (BulkWriteResult, error) {
	s := collect(c.base, options)
	if c.err != nil {
		return BulkWriteResult{}, c.err
	}
	if len(models) == 0 {
		return BulkWriteResult{}, failure(ErrInvalidArgument, "bulk write: there are no models")
	}
	b := bulk{c: c, s: &s, models: models, ids: make([]any, len(models)), newIDs: newIDs{total: len(models)}, unsent: len(models)}
	groups := b.groups()
	name, _ := models[0].kind.command()
	var err error
	if b.operation, err = c.db.client.begin(ctx, &exec.Op{Name: name, Operation: "bulkWrite", Database: c.db.name, Collection: c.name}); err != nil {
		return BulkWriteResult{}, fmt.Errorf("bulk write: %w", err)
	}
	for i, group := range groups {
		if !b.runGroup(group) {
			for _, unsent := range groups[i+1:] {
				b.unsent = min(b.unsent, unsent[0])
			}
			break
		}
	}
	res, err := b.finish()
	b.operation.end(err)
	return res, err
}

// bulk is a BulkWrite under way.
type bulk struct {
	c      *Collection
	s      *settings
	models []WriteModel
	operation
	ids    []any // of inserted documents
	newIDs newIDs
	res    BulkWriteResult
	errs   BulkWriteError
	unsent int
	sent   bool
}

// groups are the models that go together, by index: neighbours of one command in
// order, otherwise all of one command.
func (b *bulk) groups() [][]int {
	var groups [][]int
	byCommand := map[string]int{}
	last := ""
	for i := range b.models {
		name, _ := b.models[i].kind.command()
		at, known := byCommand[name]
		if !known || !b.s.unordered && name != last {
			at = len(groups)
			byCommand[name] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
		last = name
	}
	return groups
}

// runGroup sends models of one command, and tells whether to go on.
func (b *bulk) runGroup(group []int) bool {
	name, sequence := b.models[group[0]].kind.command()
	run := batches{
		total: len(group), ordered: !b.s.unordered, extra: statementOverhead,
		append: func(dst []byte, i int) ([]byte, error) { return b.append(dst, group[i]) },
		index:  func(i int) int { return group[i] },
		op: exec.Op{
			Name: name, Database: b.c.db.name, Collection: b.c.name, Access: exec.Write, WriteConcern: b.s.writeConcern, Sequence: sequence, RawData: b.s.rawData,
			Retryable: !slices.ContainsFunc(group, func(i int) bool { return b.models[i].many() }),
			Body:      func(dst []byte) ([]byte, error) { return b.appendBody(dst, name) },
		},
	}
	if name == "insert" {
		run.extra = 0
	}
	for _, i := range group {
		run.op.MinWireUnacknowledged = max(run.op.MinWireUnacknowledged, b.models[i].options().wireHint(name))
	}
	run.run(&b.operation, func(reply []byte, first int) { b.read(reply, group[first:]) })
	b.sent = b.sent || run.first > 0
	b.res.Acknowledged = b.res.Acknowledged || run.acked
	for _, we := range run.errs.WriteErrors {
		we.Index = group[we.Index]
		if b.models[we.Index].kind == writeInsert {
			b.ids[we.Index] = nil
		}
		b.errs.WriteErrors = append(b.errs.WriteErrors, we)
	}
	b.errs.WriteConcernErrors = append(b.errs.WriteConcernErrors, run.errs.WriteConcernErrors...)
	if run.errs.Unsent < len(group) {
		b.unsent = min(b.unsent, group[run.errs.Unsent])
		for _, i := range group[run.errs.Unsent:] {
			b.ids[i] = nil
		}
	}
	if run.errs.Err != nil {
		b.errs.Err = run.errs.Err
		return false
	}
	return b.s.unordered || len(run.errs.WriteErrors) == 0
}

func (m *WriteModel) many() bool { return m.kind == writeUpdateMany || m.kind == writeDeleteMany }

// appendChange appends the update or the replacement.
func (m *WriteModel) appendChange(dst []byte, key string) ([]byte, error) {
	if m.kind == writeReplaceOne {
		return appendReplacement(dst, key, m.document)
	}
	return appendUpdate(dst, key, m.document)
}

func (b *bulk) appendBody(dst []byte, name string) ([]byte, error) {
	dst = bsonwire.AppendString(dst, name, b.c.name)
	dst = bsonwire.AppendBoolean(dst, "ordered", !b.s.unordered)
	if name != "delete" {
		dst = appendBool(dst, "bypassDocumentValidation", b.s.bypassValidation)
	}
	if name != "insert" {
		var err error
		if dst, err = appendOptional(dst, "let", b.s.let); err != nil {
			return dst, err
		}
	}
	return appendOptional(dst, "comment", b.s.comment)
}

// append encodes one model.
func (b *bulk) append(dst []byte, i int) ([]byte, error) {
	m := &b.models[i]
	if m.kind == writeInsert {
		return appendInsert(dst, m.document, &b.ids[i], &b.newIDs)
	}
	dst, at := bsonwire.Begin(dst)
	var err error
	switch m.kind {
	case writeDeleteOne, writeDeleteMany:
		dst, err = appendDeleteStatement(dst, m.filter, m.many(), m.options())
	default:
		dst, err = appendUpdateStatement(dst, m.filter, m.options(), m.many(), func(dst []byte) ([]byte, error) {
			return m.appendChange(dst, "u")
		})
	}
	if err != nil {
		return dst, err
	}
	return bsonwire.End(dst, at), nil
}

// read adds a reply's counts. group are the models from the batch's first on.
func (b *bulk) read(body []byte, group []int) {
	name, _ := b.models[group[0]].kind.command()
	counts := reply.ReadCounts(body)
	switch name {
	case "insert":
		b.res.InsertedCount += counts.N
	case "delete":
		b.res.DeletedCount += counts.N
	default:
		b.res.MatchedCount += counts.N - int64(len(counts.Upserted))
		b.res.ModifiedCount += counts.Modified
		b.res.UpsertedCount += int64(len(counts.Upserted))
		for _, u := range counts.Upserted {
			if u.Index >= 0 && u.Index < len(group) {
				if b.res.UpsertedIDs == nil {
					b.res.UpsertedIDs = map[int]any{}
				}
				b.res.UpsertedIDs[group[u.Index]] = decodeID(u.ID, b.c.db.client.decode(b.s))
			}
		}
	}
}

// finish returns result and error.
func (b *bulk) finish() (BulkWriteResult, error) {
	for i := range b.models {
		if b.models[i].kind == writeInsert && b.ids[i] != nil {
			if b.res.InsertedIDs == nil {
				b.res.InsertedIDs = map[int]any{}
			}
			b.res.InsertedIDs[i] = b.ids[i]
		}
	}
	b.errs.Unsent = b.unsent
	switch {
	case b.errs.Err != nil && !b.sent && len(b.errs.WriteErrors) == 0:
		return b.res, fmt.Errorf("bulk write: %w", b.errs.Err)
	case b.errs.Err == nil && len(b.errs.WriteErrors) == 0 && len(b.errs.WriteConcernErrors) == 0:
		return b.res, nil
	}
	return b.res, &b.errs
}
