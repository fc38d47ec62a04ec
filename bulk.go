package mgx

import (
	"context"
	"fmt"
	"sync"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/reply"
	"github.com/mgxdb/mgx/internal/write"
)

// WriteModel is one write of a BulkWrite.
type WriteModel struct {
	kind             writeKind
	document, filter any               // document: also the update or replacement
	own              *statementOptions // nil: none
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

// scratch holds options that models' options are applied to: models keep the few
// that they can have.
var scratch = sync.Pool{New: func() any { return new(callOptions) }}

func modelOptions[O applier](options []O) *statementOptions {
	if len(options) == 0 {
		return nil
	}
	s := scratch.Get().(*callOptions)
	for _, o := range options {
		o.apply(s)
	}
	own := s.statementOptions
	*s = callOptions{}
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
// error is then a *BulkWriteError, with the indexes of the models. So it is with a
// model that cannot be sent, because it cannot be encoded or is above the server's size
// limit: those before it are sent, and with Unordered those behind it.
//
// The messages without an UpdateManyModel and a DeleteManyModel are retried like other
// writes.
func (c *Collection) BulkWrite(ctx context.Context, models []WriteModel, options ...BulkOption) (BulkWriteResult, error) {
	s := collect(c.base, options)
	if c.err != nil {
		return BulkWriteResult{}, c.err
	}
	if len(models) == 0 {
		return BulkWriteResult{}, failure(ErrInvalidArgument, "bulk write: there are no models")
	}
	b := bulk{
		severalWrites: newSeveralWrites(len(models)),
		c:             c, s: &s, models: models, ids: make([]any, len(models)), newIDs: newIDs{total: len(models)},
	}
	groups := b.groups()
	name := models[0].kind.command().name
	var err error
	if b.operation, err = c.db.client.begin(ctx, &exec.Op{Name: name, Operation: "bulkWrite", Database: c.db.name, Collection: c.name, Timeout: s.timeout}); err != nil {
		return BulkWriteResult{}, fmt.Errorf("bulk write: %w", err)
	}
	for _, group := range groups {
		if !b.runGroup(group) {
			break
		}
	}
	res, err := b.result()
	return res, b.operation.end(err)
}

// bulk is a BulkWrite under way.
type bulk struct {
	severalWrites
	c      *Collection
	s      *callOptions
	models []WriteModel
	operation
	ids    []any // of inserted documents
	newIDs newIDs
	res    BulkWriteResult
}

// groups are the models that go together, by index: neighbours of one command in
// order, otherwise all of one command.
func (b *bulk) groups() [][]int {
	var groups [][]int
	of := map[*writeCommand]int{} // the group that a command's models are added to
	var last *writeCommand
	for i := range b.models {
		command := b.models[i].kind.command()
		at, known := of[command]
		if !known || !b.s.unordered && command != last {
			at = len(groups)
			of[command] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
		last = command
	}
	return groups
}

// runGroup sends models of one command, and reports whether to go on.
func (b *bulk) runGroup(group []int) bool {
	command := b.models[group[0]].kind.command()
	split := write.Split{
		Total: len(group), Ordered: !b.s.unordered, Extra: command.overhead, Account: &b.account,
		Append: func(dst []byte, i int) ([]byte, error) { return b.append(dst, group[i]) },
		Index:  func(i int) int { return group[i] },
	}
	op := b.c.writeOp(command, b.s)
	retry := batchRetry{split: &split, op: &op, many: func(i int) bool { return b.models[i].many() }}
	op.Documents = retry.fill
	for _, i := range group {
		op.MinWireUnacknowledged = max(op.MinWireUnacknowledged, b.models[i].options().needs(command.name))
	}
	refusals := len(b.account.Refusals) + len(b.errs.WriteErrors)
	b.send(&split, func() (exec.Result, error) {
		retry.begin()
		return b.operation.run(&op)
	}, func(res exec.Result) bool {
		defer res.Release()
		b.count(command, &split, res.Body)
		return b.takeErrors(&split, command.name, res.Body)
	})
	b.res.Acknowledged = b.account.Acknowledged
	return b.errs.Err == nil && (b.s.unordered || len(b.account.Refusals)+len(b.errs.WriteErrors) == refusals)
}

// batchRetry decides of each message of a bulk, when it is filled, whether it may be
// sent twice: it may not with a write that changes several documents. See the
// specification "Retryable Writes", "Supported Write Operations".
type batchRetry struct {
	split *write.Split
	op    *exec.Op
	many  func(i int) bool
}

// begin is for a message that is still empty: what it begins with is certain.
func (r *batchRetry) begin() { r.op.Retryable = !r.many(r.split.Next()) }

func (r *batchRetry) fill(dst []byte, limits exec.Limits) ([]byte, error) {
	dst, err := r.split.Fill(dst, limits)
	r.op.Retryable = r.op.Retryable && !r.split.Any(r.many)
	return dst, err
}

func (m *WriteModel) many() bool { return m.kind == writeUpdateMany || m.kind == writeDeleteMany }

// appendChange appends the update or the replacement.
func (m *WriteModel) appendChange(dst []byte, key string) ([]byte, error) {
	if m.kind == writeReplaceOne {
		return appendReplacement(dst, key, m.document)
	}
	return appendUpdate(dst, key, m.document)
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

// count adds a reply's counts.
func (b *bulk) count(command *writeCommand, split *write.Split, body []byte) {
	counts := reply.ReadCounts(body)
	switch command {
	case &insertCommand:
		b.res.InsertedCount += counts.N
	case &deleteCommand:
		b.res.DeletedCount += counts.N
	default:
		b.res.MatchedCount += counts.Matched()
		b.res.ModifiedCount += counts.Modified
		b.res.UpsertedCount += int64(len(counts.Upserted))
		for _, u := range counts.Upserted {
			if i, ok := split.Write(u.Index); ok {
				if b.res.UpsertedIDs == nil {
					b.res.UpsertedIDs = map[int]any{}
				}
				b.res.UpsertedIDs[i] = decodeID(u.ID, b.c.db.client.decode(b.s))
			}
		}
	}
}

// result returns result and error.
func (b *bulk) result() (BulkWriteResult, error) {
	for i, o := range b.account.Outcomes {
		if b.models[i].kind == writeInsert && (o == write.Done || o == write.Sent) {
			if b.res.InsertedIDs == nil {
				b.res.InsertedIDs = map[int]any{}
			}
			b.res.InsertedIDs[i] = b.ids[i]
		}
	}
	err := b.finish()
	if err != nil && err != error(&b.errs) {
		err = fmt.Errorf("bulk write: %w", err)
	}
	return b.res, err
}
