package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// BulkWrite runs writes of several kinds on several collections. It needs server 8.0.
func (c *Client) BulkWrite(ctx context.Context, writes []ClientBulkWrite, opts ...options.Lister[options.ClientBulkWriteOptions]) (*ClientBulkWriteResult, error) {
	if len(writes) == 0 {
		return nil, fmt.Errorf("invalid writes: %w", ErrEmptySlice)
	}
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	list, err := clientBulkOptions(c.codec, args)
	if err != nil {
		return nil, err
	}
	models, err := c.clientWrites(writes)
	if err != nil {
		return nil, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return nil, err
	}
	res, err := c.mgx.BulkWrite(ctx, models, list...)
	to := clientBulkResult(&res, is(args.VerboseResults))
	if err != nil {
		return to, clientBulkException(err, is(args.VerboseResults))
	}
	return to, nil
}

func clientBulkOptions(c codec, args *options.ClientBulkWriteOptions) ([]mgx.ClientBulkOption, error) {
	ordered := args.Ordered == nil || *args.Ordered
	if wc := args.WriteConcern; wc != nil && !wc.Acknowledged() && ordered {
		return nil, errors.New("cannot request unacknowledged write concern and ordered writes")
	}
	return gather[mgx.ClientBulkOption](c, func(g *gatherer[mgx.ClientBulkOption]) {
		if is(args.BypassDocumentValidation) {
			g.add(mgx.BypassDocumentValidation(true))
		}
		if !ordered {
			g.add(mgx.Unordered())
		}
		if is(args.VerboseResults) {
			g.add(mgx.VerboseResults())
		}
		if args.WriteConcern != nil {
			g.add(mgx.WithWriteConcern(writeConcern(args.WriteConcern)))
		}
		g.value(args.Comment, func(v any) mgx.ClientBulkOption { return mgx.Comment(v) })
		g.document(args.Let, func(v any) mgx.ClientBulkOption { return mgx.Let(v) })
	})
}

func (c *Client) clientWrites(writes []ClientBulkWrite) ([]mgx.ClientWrite, error) {
	handles := map[string]*mgx.Collection{}
	out := make([]mgx.ClientWrite, len(writes))
	for i, w := range writes {
		if strings.ContainsRune(w.Database, '.') {
			return nil, fmt.Errorf("invalid database name %q in write %d: database names cannot contain '.'", w.Database, i)
		}
		name := w.Database + "." + w.Collection
		if handles[name] == nil {
			handles[name] = c.mgx.Database(w.Database).Collection(w.Collection)
		}
		model, err := clientWriteModel(c.codec, w.Model)
		if err != nil {
			return nil, err
		}
		out[i] = mgx.ClientWrite{Collection: handles[name], Model: model}
	}
	return out, nil
}

func clientBulkResult(res *mgx.ClientBulkWriteResult, verbose bool) *ClientBulkWriteResult {
	to := &ClientBulkWriteResult{
		InsertedCount: res.InsertedCount, MatchedCount: res.MatchedCount, ModifiedCount: res.ModifiedCount,
		DeletedCount: res.DeletedCount, UpsertedCount: res.UpsertedCount,
		Acknowledged: res.Acknowledged, HasVerboseResults: verbose,
	}
	if !verbose {
		return to
	}
	to.InsertResults = map[int]ClientBulkWriteInsertResult{}
	to.UpdateResults = map[int]ClientBulkWriteUpdateResult{}
	to.DeleteResults = map[int]ClientBulkWriteDeleteResult{}
	for i, r := range res.InsertResults {
		to.InsertResults[i] = ClientBulkWriteInsertResult(r)
	}
	for i, r := range res.UpdateResults {
		to.UpdateResults[i] = ClientBulkWriteUpdateResult{MatchedCount: r.MatchedCount, ModifiedCount: r.ModifiedCount, UpsertedID: r.UpsertedID}
	}
	for i, r := range res.DeleteResults {
		to.DeleteResults[i] = ClientBulkWriteDeleteResult(r)
	}
	return to
}

func clientBulkException(err error, verbose bool) error {
	var bulk *mgx.ClientBulkWriteError
	if !errors.As(err, &bulk) {
		return convert(err)
	}
	e := ClientBulkWriteException{WriteErrors: map[int]WriteError{}}
	for _, we := range bulk.WriteErrors {
		if we.Err != nil {
			return convert(we.Err)
		}
		e.WriteErrors[we.Index] = writeError(we)
	}
	for _, wce := range bulk.WriteConcernErrors {
		e.WriteConcernErrors = append(e.WriteConcernErrors, *writeConcernError(wce))
	}
	var server *mgx.ServerError
	switch {
	case bulk.Err == nil:
	case errors.As(bulk.Err, &server):
		e.WriteError = &WriteError{Code: int(server.Code), Message: server.Message, Raw: server.Raw}
	default:
		return convert(bulk.Err)
	}
	if bulk.PartialResult != nil {
		e.PartialResult = clientBulkResult(bulk.PartialResult, verbose)
	}
	return e
}
