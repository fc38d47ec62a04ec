package mgx

import "context"

// FindOneAndDelete removes the first document that matches the filter, and returns it
// as it was, or ErrNoDocuments. With an ErrWriteConcern the document is there too.
func FindOneAndDelete[T any](ctx context.Context, c *Collection, filter any, options ...FindOneAndDeleteOption) (T, error) {
	return documentOf[T](c.FindOneAndDelete(ctx, filter, options...))
}

// FindOneAndReplace replaces the first document that matches the filter, and returns it
// as it was before, or, with ReturnAfter, as it is now; ErrNoDocuments, if there is
// none to return. With an ErrWriteConcern the document is there too.
func FindOneAndReplace[T any](ctx context.Context, c *Collection, filter, replacement any, options ...FindOneAndReplaceOption) (T, error) {
	return documentOf[T](c.FindOneAndReplace(ctx, filter, replacement, options...))
}

// FindOneAndUpdate changes the first document that matches the filter, and returns it
// as it was before, or, with ReturnAfter, as it is now; ErrNoDocuments, if there is
// none to return. With an ErrWriteConcern the document is there too.
func FindOneAndUpdate[T any](ctx context.Context, c *Collection, filter, update any, options ...FindOneAndUpdateOption) (T, error) {
	return documentOf[T](c.FindOneAndUpdate(ctx, filter, update, options...))
}

func documentOf[T any](r *SingleResult) (v T, err error) {
	err = r.Decode(&v)
	return v, err
}
