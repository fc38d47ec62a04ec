package copybench

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bench/internal/measure"
	"github.com/mgxdb/mgx/bson"
)

// Settings say what is copied.
type Settings struct {
	Documents, Collections int
	// Parallel is mgx's --parallel.
	Parallel int
	// Check reads all copies again and compares them with the source.
	Check bool
}

// Result is what one of the two took.
type Result struct {
	Name string
	// Time is that of the copy with its counting; Counting is a part of it, if known.
	Time, Counting time.Duration
	// Client is the processor time of the process that copies, Server that of the
	// target server.
	Client, Server time.Duration
}

// Rate is how many documents were copied per second.
func (r Result) Rate(documents int) float64 { return float64(documents) / r.Time.Seconds() }

const (
	sourceDatabase = "shop"
	targetDatabase = "copy"
	// loopBatch is how many documents the loop inserts at a time, which examples do.
	loopBatch = 1000
)

// Run copies with both, each to a server of its own, and reports each as it is done.
// What mgx copy shows goes to out.
func Run(ctx context.Context, s Settings, dir string, out io.Writer, report func(Result) error) (err error) {
	tool, err := BuildTool(ctx, dir)
	if err != nil {
		return err
	}
	source, err := StartServer(ctx, tool, dir)
	if err != nil {
		return err
	}
	defer func() {
		_, stopped := source.Stop()
		err = errors.Join(err, stopped)
	}()
	fmt.Fprintf(out, "filling %d collections with %d documents\n", s.Collections, s.Documents)
	if err := fill(ctx, source.URI, s); err != nil {
		return fmt.Errorf("fill the source: %w", err)
	}
	var want map[string]sum
	if s.Check {
		if want, err = sums(ctx, source.URI, sourceDatabase); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		name string
		run  func(ctx context.Context, from, to string) (Result, error)
	}{
		{"official driver, loop", func(ctx context.Context, from, to string) (Result, error) { return loop(ctx, from, to) }},
		{"mgx copy", func(ctx context.Context, from, to string) (Result, error) {
			return copyTool(ctx, tool, from, to, s.Parallel, out)
		}},
	} {
		target, err := StartServer(ctx, tool, dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "copying: %s\n", c.name)
		res, err := c.run(ctx, source.URI, target.URI)
		if err == nil && s.Check {
			err = compare(ctx, target.URI, want)
		}
		cpu, stopped := target.Stop()
		if err := errors.Join(err, stopped); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		res.Name, res.Server = c.name, cpu
		if err := report(res); err != nil {
			return err
		}
	}
	return nil
}

// order is one of the documents that are copied, of some 250 bytes.
func order(collection, i int) bson.D {
	return bson.D{
		{"_id", i}, {"customer", fmt.Sprintf("customer %d", i%977)}, {"item", fmt.Sprintf("item %d of %d", i%89, collection)},
		{"qty", int32(i % 13)}, {"price", float64(i%1000) / 8}, {"at", time.UnixMilli(1_700_000_000_000 + int64(i)*1000)},
		{"tags", bson.A{"red", "large"}}, {"address", bson.D{{"street", "1 Long Street"}, {"city", "Kathmandu"}, {"zip", "44600"}}},
		{"paid", i%2 == 0},
	}
}

func collectionName(i int) string { return fmt.Sprintf("orders%02d", i) }

func fill(ctx context.Context, uri string, s Settings) error {
	client, err := mgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(context.WithoutCancel(ctx)) }()
	var wg sync.WaitGroup
	errs := make([]error, s.Collections)
	turns := make(chan struct{}, 4)
	for n := range s.Collections {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			c := client.Database(sourceDatabase).Collection(collectionName(n))
			// What cannot be divided goes to the first ones.
			count := s.Documents / s.Collections
			if n < s.Documents%s.Collections {
				count++
			}
			for first := 0; first < count && errs[n] == nil; first += loopBatch {
				docs := make([]bson.D, min(loopBatch, count-first))
				for i := range docs {
					docs[i] = order(n, first+i)
				}
				_, errs[n] = c.InsertMany(ctx, docs)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// loop copies with the official driver: it reads a batch, then inserts it.
func loop(ctx context.Context, from, to string) (res Result, err error) {
	source, err := mongo.Connect(options.Client().ApplyURI(from))
	if err != nil {
		return res, err
	}
	defer func() { _ = source.Disconnect(context.WithoutCancel(ctx)) }()
	target, err := mongo.Connect(options.Client().ApplyURI(to))
	if err != nil {
		return res, err
	}
	defer func() { _ = target.Disconnect(context.WithoutCancel(ctx)) }()
	began, cpu := time.Now(), measure.CPU()
	names, err := source.Database(sourceDatabase).ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return res, err
	}
	for _, name := range names {
		a, b := source.Database(sourceDatabase).Collection(name), target.Database(targetDatabase).Collection(name)
		n, err := loopCollection(ctx, a, b)
		if err != nil {
			return res, err
		}
		counting := time.Now()
		// As mgx copy does.
		there, err1 := a.EstimatedDocumentCount(ctx)
		got, err2 := b.CountDocuments(ctx, bson.D{})
		if err := errors.Join(err1, err2); err != nil || there != n || got != n {
			return res, errors.Join(err, fmt.Errorf("%s: %d documents were copied; the source has %d, the target %d", name, n, there, got))
		}
		res.Counting += time.Since(counting)
	}
	res.Time, res.Client = time.Since(began), measure.CPU()-cpu
	return res, nil
}

func loopCollection(ctx context.Context, from, to *mongo.Collection) (n int64, err error) {
	cur, err := from.Find(ctx, bson.D{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	var batch []any
	insert := func() error {
		if len(batch) == 0 {
			return nil
		}
		_, err := to.InsertMany(ctx, batch)
		n += int64(len(batch))
		batch = batch[:0]
		return err
	}
	for cur.Next(ctx) {
		// The cursor uses the document's bytes again.
		batch = append(batch, append(bson.Raw(nil), cur.Current...))
		if len(batch) == loopBatch {
			if err := insert(); err != nil {
				return n, err
			}
		}
	}
	if err := cur.Err(); err != nil {
		return n, err
	}
	return n, insert()
}

// copyTool runs mgx copy.
func copyTool(ctx context.Context, tool, from, to string, parallel int, out io.Writer) (res Result, err error) {
	cmd := exec.CommandContext(ctx, tool, "copy", with(from, sourceDatabase), with(to, targetDatabase), "--parallel", fmt.Sprint(parallel))
	cmd.Stdout, cmd.Stderr = out, out
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return res, err
	}
	return Result{Time: time.Since(began), Client: used(cmd)}, nil
}

// with puts a database into the URI of a server.
func with(uri, database string) string { return strings.TrimSuffix(uri, "/") + "/" + database }

// sum stands for the documents of a collection, in whatever order.
type sum struct {
	documents int
	hashes    uint64
}

func sums(ctx context.Context, uri, database string) (map[string]sum, error) {
	client, err := mgx.Connect(ctx, uri)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close(context.WithoutCancel(ctx)) }()
	db := client.Database(database)
	names, err := db.ListCollectionNames(ctx, nil)
	if err != nil {
		return nil, err
	}
	all := map[string]sum{}
	for _, name := range names {
		var s sum
		cur := db.Collection(name).Find(ctx, nil)
		for cur.Next() {
			h := fnv.New64a()
			_, _ = h.Write(cur.Current()) // never fails
			s.documents++
			s.hashes += h.Sum64()
		}
		if err := cur.Err(); err != nil {
			return nil, err
		}
		all[name] = s
	}
	return all, nil
}

func compare(ctx context.Context, uri string, want map[string]sum) error {
	got, err := sums(ctx, uri, targetDatabase)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("the copy has %d collections, of %d", len(got), len(want))
	}
	for name, s := range want {
		if got[name] != s {
			return fmt.Errorf("the copy of %s differs: %d documents, of %d", name, got[name].documents, s.documents)
		}
	}
	return nil
}
