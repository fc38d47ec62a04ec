package kms

import (
	"context"
	"encoding/json"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/auth"
)

// AWS is AWS KMS.
type AWS struct {
	Service
	// Credentials are asked for each request.
	Credentials func(ctx context.Context) (auth.AWSCredentials, error)
}

var awsFields = []field{{name: "region", required: true}, {name: "key", required: true}, {name: "endpoint", endpoint: true}}

// Check is Provider's.
func (a *AWS) Check(master bson.Raw) (bson.D, error) { return checkMaster("aws", master, awsFields) }

// Wrap is Provider's.
func (a *AWS) Wrap(ctx context.Context, master bson.Raw, material []byte) ([]byte, bson.D, error) {
	stored, err := a.Check(master)
	if err != nil {
		return nil, nil, err
	}
	var answer struct{ CiphertextBlob []byte }
	body := struct {
		KeyID     string `json:"KeyId"`
		Plaintext []byte
	}{text(master, "key"), material}
	err = a.ask(ctx, master, "Encrypt", body, &answer)
	return answer.CiphertextBlob, stored, err
}

// Unwrap is Provider's.
func (a *AWS) Unwrap(ctx context.Context, master bson.Raw, wrapped []byte) ([]byte, error) {
	if _, err := a.Check(master); err != nil {
		return nil, err
	}
	var answer struct{ Plaintext []byte }
	body := struct {
		CiphertextBlob []byte
		KeyID          string `json:"KeyId"`
	}{wrapped, text(master, "key")}
	err := a.ask(ctx, master, "Decrypt", body, &answer)
	return answer.Plaintext, err
}

func (a *AWS) ask(ctx context.Context, master bson.Raw, action string, body, answer any) error {
	region, endpoint := text(master, "region"), text(master, "endpoint")
	if endpoint == "" {
		endpoint = "kms." + region + ".amazonaws.com"
	}
	to, err := address(endpoint, "443")
	if err != nil {
		return err
	}
	credentials, err := a.Credentials(ctx)
	if err != nil {
		return a.fail(to, err)
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r := auth.AWSRequest{Method: "POST", Path: "/", Region: region, Service: "kms", Body: string(data), Header: map[string]string{
		"content-type": "application/x-amz-json-1.1", "host": endpoint, "x-amz-target": "TrentService." + action,
	}}
	credentials.Sign(&r, a.now())
	return a.post(ctx, request{address: to, path: "/", header: r.Header, body: r.Body, secret: true}, answer)
}
