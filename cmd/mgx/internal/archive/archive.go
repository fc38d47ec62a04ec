// Package archive reads what "mongodump --archive" writes: a whole dump in one stream,
// in which documents of several collections take turns.
//
// The stream is gone through once, to learn where each collection's documents are, so
// that they can be read side by side. What is no plain file, compressed or a pipe, is
// kept in a temporary file for that.
package archive

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/cmd/mgx/internal/dumpdir"
	"github.com/mgxdb/mgx/internal/transfer"
)

// magic is what an archive begins with.
const magic = 0x8199e26d

// terminator is in the place of a document's length where a list of them ends.
const terminator = 0xffffffff

// Is reports whether a stream that begins with these bytes may be an archive,
// compressed or not.
func Is(begin []byte) bool {
	return len(begin) >= 4 && binary.LittleEndian.Uint32(begin) == magic || compressed(begin)
}

func compressed(begin []byte) bool { return len(begin) >= 2 && begin[0] == 0x1f && begin[1] == 0x8b }

// Archive is an archive that was gone through.
type Archive struct {
	Databases []dumpdir.Database
	// Left is what is beside the databases.
	Left []dumpdir.Left
	// Damage is why the archive ends before its end.
	Damage error

	file *os.File
	temp bool
}

// Open goes through an archive. name is its name in errors. Where it is a plain file,
// the file is read again later.
func Open(in io.Reader, name string) (*Archive, error) {
	file, isFile := in.(*os.File)
	if isFile {
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		isFile = info.Mode().IsRegular()
	}
	a := &Archive{file: file}
	b := bufio.NewReaderSize(in, 256<<10)
	begin, _ := b.Peek(4) // what is missing is missed later
	s := scanner{name: name, r: b, found: map[string]*namespace{}}
	if zipped := compressed(begin); zipped || !isFile {
		if zipped {
			z, err := gzip.NewReader(b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			s.r = bufio.NewReaderSize(z, 256<<10)
		}
		var err error
		if a.file, err = os.CreateTemp("", "mgx-restore-"); err != nil {
			return nil, err
		}
		a.temp = true
		s.keep = bufio.NewWriterSize(a.file, 256<<10)
	}
	if err := s.scan(a); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), a.Close())
	}
	return a, nil
}

// Close gives the archive up.
func (a *Archive) Close() error {
	if !a.temp {
		return nil
	}
	return errors.Join(a.file.Close(), os.Remove(a.file.Name()))
}

// namespace is a collection in the archive.
type namespace struct {
	db, name string
	segments []segment
	sum      uint64
	ended    bool
	damage   error
}

type segment struct{ at, size int64 }

// scanner goes through an archive.
type scanner struct {
	name  string
	r     *bufio.Reader
	keep  *bufio.Writer // nil: the archive is a file
	at    int64
	doc   []byte
	found map[string]*namespace
	order []*namespace
}

var errTerminator = errors.New("the end of a list")

// next reads the next document into s.doc. Its error is errTerminator at the end of a
// list, and io.EOF if there is nothing more.
func (s *scanner) next() error {
	var head [4]byte
	if n, err := io.ReadFull(s.r, head[:]); err == io.EOF {
		return io.EOF
	} else if err != nil {
		return s.damaged("it ends %d bytes into a length: %v", n, err)
	}
	size := binary.LittleEndian.Uint32(head[:])
	if err := s.pass(head[:]); err != nil {
		return err
	}
	if size == terminator {
		return errTerminator
	}
	if size < 5 || size > dumpdir.MaxDocument {
		return s.damaged("the length of a document is given as %d bytes", size)
	}
	s.doc = append(slices.Grow(s.doc[:0], int(size)), head[:]...)[:size]
	if n, err := io.ReadFull(s.r, s.doc[4:]); err != nil {
		return s.damaged("it ends %d bytes into a document of %d: %v", n+4, size, err)
	}
	return s.pass(s.doc[4:])
}

// pass goes past bytes that were read.
func (s *scanner) pass(b []byte) error {
	s.at += int64(len(b))
	if s.keep == nil {
		return nil
	}
	_, err := s.keep.Write(b)
	return err
}

// damagedError is where an archive stops being one.
type damagedError struct{ text string }

func (e *damagedError) Error() string { return e.text }

func (s *scanner) damaged(format string, args ...any) error {
	return &damagedError{fmt.Sprintf("the archive is damaged at byte %d: ", s.at) + fmt.Sprintf(format, args...)}
}

// scan goes through the archive. What is damaged behind its head is told of each
// collection that it cuts off.
func (s *scanner) scan(a *Archive) error {
	collections, err := s.prelude()
	if err != nil {
		return err
	}
	for err == nil {
		err = s.block()
	}
	var damaged *damagedError
	if err != io.EOF && !errors.As(err, &damaged) {
		return err
	}
	if damaged != nil {
		a.Damage = damaged
	}
	for _, ns := range s.order {
		if !ns.ended && ns.damage == nil {
			ns.damage = a.cutOff()
		}
	}
	if s.keep != nil {
		if err := s.keep.Flush(); err != nil {
			return err
		}
	}
	s.databases(a, collections)
	return nil
}

// cutOff is the error of a collection whose end the archive does not have.
func (a *Archive) cutOff() error {
	if a.Damage != nil {
		return a.Damage
	}
	return errors.New("the archive ends before the collection does")
}

// described is a collection in the archive's head.
type described struct {
	DB         string `bson:"db"`
	Collection string `bson:"collection"`
	Metadata   string `bson:"metadata"`
	Type       string `bson:"type"`
}

// prelude reads the head of the archive: a document of its own, then one for each
// collection.
func (s *scanner) prelude() (list []described, err error) {
	var head [4]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil || binary.LittleEndian.Uint32(head[:]) != magic {
		return nil, errors.New("it is no archive of mongodump")
	}
	if err := s.pass(head[:]); err != nil {
		return nil, err
	}
	if err := s.next(); err != nil {
		return nil, whole(err)
	}
	for {
		switch err := s.next(); {
		case errors.Is(err, errTerminator):
			return list, nil
		case err != nil:
			return nil, whole(err)
		}
		var d described
		if err := bsonwire.ValidateStructure(s.doc); err != nil {
			return nil, s.damaged("%v", err)
		}
		if err := bson.Unmarshal(s.doc, &d); err != nil {
			return nil, s.damaged("%v", err)
		}
		list = append(list, d)
	}
}

// whole is the error of an end where there should be none.
func whole(err error) error {
	if err == io.EOF || errors.Is(err, errTerminator) {
		return &damagedError{"the archive ends in its head"}
	}
	return err
}

var ecma = crc64.MakeTable(crc64.ECMA)

// block reads a header, and documents of the collection that it names.
func (s *scanner) block() error {
	if err := s.next(); errors.Is(err, errTerminator) {
		return s.damaged("there is no header")
	} else if err != nil {
		return err
	}
	var header struct {
		DB         string `bson:"db"`
		Collection string `bson:"collection"`
		EOF        bool   `bson:"EOF"`
		CRC        int64  `bson:"CRC"`
	}
	if err := bsonwire.ValidateStructure(s.doc); err != nil {
		return s.damaged("%v", err)
	}
	if err := bson.Unmarshal(s.doc, &header); err != nil {
		return s.damaged("%v", err)
	}
	ns := s.found[header.DB+"."+header.Collection]
	if ns == nil {
		ns = &namespace{db: header.DB, name: header.Collection}
		s.found[header.DB+"."+header.Collection] = ns
		s.order = append(s.order, ns)
	}
	begin := s.at
	for {
		from := s.at
		err := s.next()
		if err == nil {
			ns.sum = crc64.Update(ns.sum, ecma, s.doc)
			continue
		}
		if from > begin {
			ns.segments = append(ns.segments, segment{begin, from - begin})
		}
		if err == io.EOF {
			return s.damaged("it ends in the documents of %s.%s", ns.db, ns.name)
		}
		if !errors.Is(err, errTerminator) {
			return err
		}
		if header.EOF {
			ns.ended = true
			if sum := uint64(header.CRC); sum != ns.sum {
				ns.damage = fmt.Errorf("its checksum is %x, and %x in the archive: some of its documents are not what they were", ns.sum, sum)
			}
		}
		return nil
	}
}

// databases makes what the head and the blocks tell into databases.
func (s *scanner) databases(a *Archive, list []described) {
	at := map[string]*dumpdir.Database{}
	var names []string
	of := func(name string) *dumpdir.Database {
		if at[name] == nil {
			at[name] = &dumpdir.Database{Name: name, Dir: s.name}
			names = append(names, name)
		}
		return at[name]
	}
	for _, d := range list {
		c := dumpdir.Collection{Name: d.Collection}
		if d.Metadata != "" {
			c.Metadata, c.Err = dumpdir.ParseMetadata(strings.NewReader(d.Metadata))
			if c.Err != nil {
				c.Err = fmt.Errorf("its metadata: %w", c.Err)
			}
		}
		ns := s.found[d.DB+"."+d.Collection]
		if ns == nil {
			ns = s.found[d.DB+"."+transfer.BucketsPrefix+d.Collection]
			c.Buckets = ns != nil
		}
		switch {
		case ns != nil:
			delete(s.found, ns.db+"."+ns.name)
			a.documents(&c, ns)
		case !c.Metadata.View() && d.Type != "view":
			// Each has an end, also where it has no documents.
			a.documents(&c, &namespace{db: d.DB, name: d.Collection, damage: a.cutOff()})
		}
		of(d.DB).Add(d.DB+"."+d.Collection+" in "+s.name, c)
	}
	for _, ns := range s.order {
		switch {
		case s.found[ns.db+"."+ns.name] == nil:
		case ns.db == "":
			a.Left = append(a.Left, dumpdir.Left{Path: ns.name + " in " + s.name, Why: dumpdir.OplogLeft})
		default:
			c := dumpdir.Collection{Name: ns.name}
			a.documents(&c, ns)
			of(ns.db).Add(ns.db+"."+ns.name+" in "+s.name, c)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		a.Databases = append(a.Databases, *at[name])
	}
}

// documents says where a collection's documents are.
func (a *Archive) documents(c *dumpdir.Collection, ns *namespace) {
	for _, s := range ns.segments {
		c.Size += s.size
	}
	c.Documents = ns.db + "." + ns.name
	c.Open = func(count func(n int)) (*dumpdir.Reader, error) {
		parts := make([]io.Reader, 0, len(ns.segments)+1)
		for _, s := range ns.segments {
			parts = append(parts, io.NewSectionReader(a.file, s.at, s.size))
		}
		if ns.damage != nil {
			parts = append(parts, failing{ns.damage})
		}
		return dumpdir.NewReader(dumpdir.Counted(io.MultiReader(parts...), count)), nil
	}
}

// failing is the end of a collection that has none.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
