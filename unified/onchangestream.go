package unified

import (
	"context"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// watch opens a change stream on what an operation is run on, for an entity.
func (r *run) watch(open func(context.Context, any, ...mgx.WatchOption) (*mgx.ChangeStream, error), a *arguments) (result, error) {
	if err := a.need("pipeline"); err != nil {
		return nothing, err
	}
	var pipeline any
	var options []mgx.WatchOption
	err := a.each(func(key string, v argument) bool {
		if key == "pipeline" {
			pipeline = v.list()
			return true
		}
		return add(&options, key, v)
	})
	if err != nil {
		return nothing, err
	}
	s, err := open(r.ctx, pipeline, options...)
	if err != nil {
		return nothing, err
	}
	return result{save: s}, nil
}

// onChangeStream runs an operation on a change stream.
func (r *run) onChangeStream(s *mgx.ChangeStream, name string, a *arguments) (result, error) {
	if err := a.each(noMore); err != nil {
		return nothing, err
	}
	var found bool
	switch name {
	case "close":
		_ = s.Close(r.ctx) // tests look at the command's events instead
		return nothing, nil
	case "iterateOnce":
		found = s.TryNext(r.ctx)
	case "iterateUntilDocumentOrError":
		found = s.Next(r.ctx)
	default:
		return nothing, unknown("change stream", name)
	}
	if !found {
		return nothing, s.Err()
	}
	var d bson.D
	err := s.Decode(&d)
	return value(d), err
}
