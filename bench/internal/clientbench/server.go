package clientbench

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// ServerCommand is the hidden command with which the binary runs itself again, to
// be the server in a process of its own.
const ServerCommand = "canned-server"

// perBatch is how many tweets a batch holds: 2.6 MB, less than a server's batch
// may take.
const perBatch = 2000

// replies are the documents that the server answers with.
type replies struct {
	hello, ok, one, many []byte
	first, half          []byte // the first of five batches of tweets, and of two
	next, last           []byte
	large, small         fileReplies
}

func makeReplies(tweet bson.Raw) (*replies, error) {
	var failed error
	doc := func(d bson.D) []byte {
		b, err := bson.Marshal(d)
		if err != nil {
			failed = err
		}
		return b
	}
	batch := func(name string, docs, id int) []byte {
		list := make(bson.A, docs)
		for i := range list {
			list[i] = tweet
		}
		return doc(bson.D{{"cursor", bson.D{{name, list}, {"id", int64(id)}, {"ns", database + "." + name}}}, {"ok", 1.0}})
	}
	r := &replies{
		hello: doc(bson.D{
			{"ok", 1.0}, {"isWritablePrimary", true}, {"ismaster", true}, {"helloOk", true},
			{"minWireVersion", int32(0)}, {"maxWireVersion", int32(21)}, {"maxBsonObjectSize", int32(16 << 20)},
			{"maxMessageSizeBytes", int32(48000000)}, {"maxWriteBatchSize", int32(100000)},
			{"logicalSessionTimeoutMinutes", int32(30)}, {"readOnly", false},
		}),
		ok:    doc(bson.D{{"ok", 1.0}}),
		one:   batch("firstBatch", 1, 0),
		many:  batch("firstBatch", perBatch, 0),
		first: batch("firstBatch", perBatch, 4),
		half:  batch("firstBatch", perBatch, 1),
		next:  batch("nextBatch", perBatch, 1),
		last:  batch("nextBatch", perBatch, 0),
	}
	r.large, r.small = makeFile(doc, largeBucket.size), makeFile(doc, smallBucket.size)
	return r, failed
}

// bucketKind is a bucket whose files all have one size in bytes.
type bucketKind struct {
	name string
	size int
}

const smallFile = 5 << 20

var (
	largeBucket = bucketKind{"fs", 50 << 20}
	smallBucket = bucketKind{"small", smallFile}
)

const (
	chunkSize = 255 << 10
	// chunksPerBatch is as many as a server's batch of 16 MiB holds.
	chunksPerBatch = 64
	// chunkCursor plus a batch's index is the cursor that has the batch next.
	chunkCursor = 1000
)

// fileReplies are a file's description and the batches of its chunks.
type fileReplies struct {
	file   []byte
	chunks [][]byte
}

func makeFile(doc func(bson.D) []byte, size int) (f fileReplies) {
	f.file = doc(bson.D{{"cursor", bson.D{
		{"firstBatch", bson.A{bson.D{
			{"_id", int32(7)}, {"length", int64(size)}, {"chunkSize", int32(chunkSize)},
			{"uploadDate", bson.DateTime(1.7e12)}, {"filename", "large"},
		}}}, {"id", int64(0)}, {"ns", database + ".fs.files"},
	}}, {"ok", 1.0}})
	content := make([]byte, chunkSize)
	name, list := "firstBatch", bson.A{}
	for n, left := int32(0), size; left > 0; n++ {
		length := min(left, chunkSize)
		left -= length
		list = append(list, bson.D{{"_id", n}, {"files_id", int32(7)}, {"n", n}, {"data", bson.Binary{Data: content[:length]}}})
		if left > 0 && len(list) < chunksPerBatch {
			continue
		}
		var id int64
		if left > 0 {
			id = int64(chunkCursor + len(f.chunks) + 1)
		}
		f.chunks = append(f.chunks, doc(bson.D{{"cursor", bson.D{{name, list}, {"id", id}, {"ns", database + ".fs.chunks"}}}, {"ok", 1.0}}))
		name, list = "nextBatch", bson.A{}
	}
	return f
}

// Serve answers on a port of its own until in ends, and prints the address first.
func Serve(tweet bson.Raw, in io.Reader, out io.Writer) error {
	r, err := makeReplies(tweet)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// serve answers the requests of a connection.
func (r *replies) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 64<<10)
	var out []byte
	for {
		header, err := in.Peek(16)
		if err != nil {
			return
		}
		length := int(binary.LittleEndian.Uint32(header))
		id, legacy := binary.LittleEndian.Uint32(header[4:]), binary.LittleEndian.Uint32(header[12:]) == 2004
		head, err := in.Peek(min(length, 256))
		if err != nil || length < 26 {
			return
		}
		body := r.hello
		if !legacy {
			body = r.answer(head[21:])
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		out = appendReply(out[:0], id, legacy, body)
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// answer chooses the reply to the command that begins with b, a document without
// its length.
func (r *replies) answer(b []byte) []byte {
	command, rest, _ := bytes.Cut(b[min(5, len(b)):], []byte{0})
	// command begins behind the document's length and the element's type.
	switch string(command) {
	case "hello", "ismaster", "isMaster":
		return r.hello
	case "find":
		return r.find(rest)
	case "getMore":
		if len(rest) >= 8 {
			return r.more(int64(binary.LittleEndian.Uint64(rest)))
		}
		return r.last
	case "insert":
		return writeReply(collectionOf(rest) == "many")
	case "update":
		return updated
	}
	return r.ok
}

func (r *replies) find(rest []byte) []byte {
	switch collectionOf(rest) {
	case "tweets2000":
		return r.many
	case "tweets10000":
		return r.first
	case "tweets4000":
		return r.half
	case largeBucket.name + ".files":
		return r.large.file
	case largeBucket.name + ".chunks":
		return r.large.chunks[0]
	case smallBucket.name + ".files":
		return r.small.file
	case smallBucket.name + ".chunks":
		return r.small.chunks[0]
	case heldCollection:
		time.Sleep(heldFor)
	}
	return r.one
}

// heldCollection is one whose finds are answered after heldFor: they hold their
// connection.
const (
	heldCollection = "held"
	heldFor        = 200 * time.Millisecond
)

// more returns the next batch of a cursor. Of one with tweets, the identifier is
// the number of batches to come.
func (r *replies) more(id int64) []byte {
	switch {
	case id > chunkCursor && id < chunkCursor+int64(len(r.large.chunks)):
		return r.large.chunks[id-chunkCursor]
	case id <= 1 || id > perBatch:
		return r.last
	}
	doc := bytes.Clone(r.next)
	if v, ok := bsonwire.Lookup(doc, "cursor", "id"); ok {
		binary.LittleEndian.PutUint64(v.Data, uint64(id-1))
	}
	return doc
}

func collectionOf(value []byte) string {
	if len(value) < 5 {
		return ""
	}
	name, _, _ := bytes.Cut(value[4:], []byte{0})
	return string(name)
}

var (
	insertedOne  = mustMarshal(bson.D{{"n", int32(1)}, {"ok", 1.0}})
	insertedMany = mustMarshal(bson.D{{"n", int32(manyDocuments)}, {"ok", 1.0}})
	updated      = mustMarshal(bson.D{{"n", int32(1)}, {"nModified", int32(1)}, {"ok", 1.0}})
)

func writeReply(many bool) []byte {
	if many {
		return insertedMany
	}
	return insertedOne
}

func mustMarshal(d bson.D) []byte {
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return b
}

// appendReply frames a reply to the request id.
func appendReply(dst []byte, id uint32, legacy bool, body []byte) []byte {
	u32 := binary.LittleEndian.AppendUint32
	if legacy {
		dst = u32(u32(u32(u32(dst, uint32(36+len(body))), 1), id), 1)
		dst = append(dst, make([]byte, 16)...)
		dst = u32(dst, 1)
	} else {
		dst = u32(u32(u32(u32(dst, uint32(21+len(body))), 1), id), 2013)
		dst = append(dst, 0, 0, 0, 0, 0)
	}
	return append(dst, body...)
}

// startServer runs the binary again as a server. stop ends it.
func startServer(command string) (address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, command)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { in.Close(); _ = cmd.Wait() }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server process did not start: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}
