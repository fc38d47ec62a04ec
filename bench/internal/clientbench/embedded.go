package clientbench

import (
	"context"
	"fmt"
	"io"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded"
)

// EmbeddedCommand is the hidden command with which the binary runs itself again, to
// be a server that stores what it gets.
const EmbeddedCommand = "embedded-server"

// ServeEmbedded runs an embedded server with the documents of the benchmark until
// in ends, and prints its address first.
func ServeEmbedded(tweet bson.Raw, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	if err := fillEmbedded(ctx, server.URI(), tweet); err != nil {
		return fmt.Errorf("fill the embedded server: %w", err)
	}
	if _, err := fmt.Fprintln(out, server.Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func fillEmbedded(ctx context.Context, uri string, tweet bson.Raw) error {
	client, err := mgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(ctx) }()
	db := client.Database(database)
	var fields bson.D
	if err := bson.Unmarshal(tweet, &fields); err != nil {
		return err
	}
	with := func(id int32) bson.D {
		d := bson.D{{"_id", id}}
		for _, e := range fields {
			if e.Key != "_id" {
				d = append(d, e)
			}
		}
		return d
	}
	if _, err := db.Collection("one").InsertOne(ctx, with(7)); err != nil {
		return err
	}
	many := make([]bson.D, storedTweets)
	for i := range many {
		many[i] = with(int32(i))
	}
	_, err = db.Collection(fmt.Sprintf("tweets%d", storedTweets)).InsertMany(ctx, many)
	return err
}
