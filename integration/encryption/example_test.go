package encryption_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/encryption"
)

// Values are encrypted explicitly with a data key that a local master key protects, stored, looked for, and decrypted.
func Example() {
	ctx := context.Background()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	client, err := mgx.Connect(ctx, server.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close(ctx) }()

	// A program keeps its master key, or has one in a key management service.
	master := make([]byte, 96)
	rand.Read(master)
	crypt, err := encryption.New(&encryption.Options{
		KeyVault:  client.Database("encryption").Collection("__keyVault"),
		Providers: map[string]encryption.Provider{"local": encryption.Local{Key: master}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer crypt.Close()
	key, err := crypt.CreateDataKey(ctx, "local", encryption.DataKeyOptions{AltNames: []string{"patients"}})
	if err != nil {
		log.Fatal(err)
	}

	patients := client.Database("clinic").Collection("patients")
	deterministic := encryption.EncryptOptions{KeyID: key, Algorithm: encryption.Deterministic}
	ssn, err := crypt.Encrypt(ctx, "457-55-5462", deterministic)
	if err != nil {
		log.Fatal(err)
	}
	blood, err := crypt.Encrypt(ctx, bson.D{{Key: "group", Value: "AB"}}, encryption.EncryptOptions{KeyAltName: "patients", Algorithm: encryption.Random})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := patients.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "ssn", Value: ssn}, {Key: "blood", Value: blood}}); err != nil {
		log.Fatal(err)
	}

	// The same value is encrypted to the same bytes, so the server finds it.
	wanted, err := crypt.Encrypt(ctx, "457-55-5462", deterministic)
	if err != nil {
		log.Fatal(err)
	}
	stored, err := patients.FindOne(ctx, bson.D{{Key: "ssn", Value: wanted}}).Raw()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stored:", stored.Lookup("ssn").Type, stored.Lookup("blood").Type)
	read, err := crypt.DecryptDocument(ctx, stored)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("read:", read.Lookup("ssn").StringValue(), read.Lookup("blood", "group").StringValue())
	// Output:
	// stored: binary binary
	// read: 457-55-5462 AB
}
