package encryption_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/encryption"
)

// A client encrypts by a JSON schema what it inserts and looks for, and decrypts what it finds.
func ExampleAuto() {
	ctx := context.Background()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	plain, err := mgx.Connect(ctx, server.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = plain.Close(ctx) }()

	// A program keeps its master key, or has one in a key management service.
	master := make([]byte, 96)
	rand.Read(master)
	providers := map[string]encryption.Provider{"local": encryption.Local{Key: master}}
	crypt, err := encryption.New(&encryption.Options{
		KeyVault: plain.Database("encryption").Collection("keys"), Providers: providers,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer crypt.Close()
	key, err := crypt.CreateDataKey(ctx, "local", encryption.DataKeyOptions{})
	if err != nil {
		log.Fatal(err)
	}

	options, err := mgx.ParseURI(server.URI())
	if err != nil {
		log.Fatal(err)
	}
	options.Encryption = encryption.Auto(encryption.AutoOptions{
		KeyVaultNamespace: "encryption.keys", Providers: providers,
		SchemaMap: map[string]any{"clinic.patients": bson.M{
			"bsonType":        "object",
			"encryptMetadata": bson.M{"keyId": bson.A{key}},
			"properties": bson.M{
				"ssn":   bson.M{"encrypt": bson.M{"bsonType": "string", "algorithm": encryption.Deterministic}},
				"blood": bson.M{"encrypt": bson.M{"algorithm": encryption.Random}},
			},
		}},
	})
	client, err := mgx.Open(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close(ctx) }()

	type patient struct {
		ID    int    `bson:"_id"`
		SSN   string `bson:"ssn"`
		Blood string `bson:"blood"`
	}
	patients := client.Database("clinic").Collection("patients")
	if _, err := patients.InsertOne(ctx, patient{1, "457-55-5462", "AB"}); err != nil {
		log.Fatal(err)
	}
	found, err := mgx.FindOne[patient](ctx, patients, bson.D{{Key: "ssn", Value: "457-55-5462"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("read:", found.SSN, found.Blood)

	stored, err := plain.Database("clinic").Collection("patients").FindOne(ctx, nil).Raw()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stored:", stored.Lookup("ssn").Type, stored.Lookup("blood").Type)

	_, err = patients.UpdateOne(ctx, nil, bson.D{{Key: "$push", Value: bson.D{{Key: "blood", Value: "0"}}}})
	var refused *encryption.AnalysisError
	fmt.Println("refused:", errors.As(err, &refused))
	// Output:
	// read: 457-55-5462 AB
	// stored: binary binary
	// refused: true
}
