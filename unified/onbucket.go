package unified

import (
	"bytes"
	"encoding/hex"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/gridfs"
)

// newBucket makes a bucket entity.
func newBucket(db *mgx.Database, d bson.D) (*gridfs.Bucket, error) {
	var options gridfs.Options
	var concerns bson.D
	err := (&arguments{d: d}).each(func(key string, v argument) bool {
		switch key {
		case "bucketName":
			options.Name = v.text()
		case "chunkSizeBytes":
			options.ChunkSize = int(v.int())
		case "readConcern", "readPreference", "writeConcern", "timeoutMS":
			concerns = append(concerns, bson.E{Key: key, Value: v.value})
		case "disableMD5": // there is none
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if options.Handle, err = handle(concerns); err != nil {
		return nil, err
	}
	return gridfs.New(db, options)
}

// onBucket runs an operation on a bucket.
func (r *run) onBucket(b *gridfs.Bucket, name string, a *arguments) (result, error) {
	if v, ok := lookup(a.d, "timeoutMS"); ok {
		n, _ := integer(v)
		b = b.WithTimeout(time.Duration(n) * time.Millisecond)
	}
	switch name {
	case "upload", "uploadWithId":
		return r.upload(b, a)
	case "drop":
		return nothing, b.Drop(r.ctx)
	case "find":
		return r.findFiles(b, a)
	}
	var id any
	var filename, newFilename string
	revision := -1
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "id":
			id = v.value
		case "filename":
			filename = v.text()
		case "newFilename":
			newFilename = v.text()
		case "revision":
			revision = int(v.int())
		case "timeoutMS":
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	var out bytes.Buffer
	switch name {
	case "download":
		_, err = b.Download(r.ctx, id, &out)
		return value(out.String()), err
	case "downloadByName":
		_, err = b.DownloadByName(r.ctx, filename, revision, &out)
		return value(out.String()), err
	case "delete":
		return nothing, b.Delete(r.ctx, id)
	case "deleteByName":
		return nothing, b.DeleteByName(r.ctx, filename)
	case "rename":
		return nothing, b.Rename(r.ctx, id, newFilename)
	case "renameByName":
		return nothing, b.RenameByName(r.ctx, filename, newFilename)
	}
	return nothing, unknown("bucket", name)
}

func (r *run) upload(b *gridfs.Bucket, a *arguments) (result, error) {
	if err := a.need("filename", "source"); err != nil {
		return nothing, err
	}
	var filename string
	var source []byte
	var options []gridfs.UploadOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "filename":
			filename = v.text()
		case "source":
			var err error
			if source, err = hex.DecodeString(get[string](v.document(), "$$hexBytes")); err != nil {
				v.from.wrong(key, "hexadecimal bytes", v.value)
			}
		case "chunkSizeBytes":
			options = append(options, gridfs.WithChunkSize(int(v.int())))
		case "metadata":
			options = append(options, gridfs.WithMetadata(v.document()))
		case "contentType":
			options = append(options, gridfs.WithContentType(v.text()))
		case "aliases":
			var names []string
			for _, item := range v.list() {
				name, _ := item.(string)
				names = append(names, name)
			}
			options = append(options, gridfs.WithAliases(names...))
		case "id":
			options = append(options, gridfs.WithID(v.value))
		case "disableMD5", "timeoutMS": // there is none; see above
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	id, err := b.Upload(r.ctx, filename, bytes.NewReader(source), options...)
	return value(id), err
}

// findFiles runs a find on the files of a bucket.
func (r *run) findFiles(b *gridfs.Bucket, a *arguments) (result, error) {
	var filter any
	var options []mgx.FindOption
	err := a.each(func(key string, v argument) bool {
		if key == "filter" {
			filter = v.document()
			return true
		}
		return key == "timeoutMS" || add(&options, key, v)
	})
	if err != nil {
		return nothing, err
	}
	files, err := mgx.Collect[bson.D](b.Find(r.ctx, filter, options...))
	if err != nil {
		return nothing, err
	}
	return documents(files), nil
}
