package conn

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson"
)

// The environments are those of the prose tests of the specification "MongoDB
// Handshake".
func TestFaaS(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want bson.D
	}{
		{"lambda", map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_java8", "AWS_REGION": "us-east-2", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024"},
			bson.D{{Key: "name", Value: "aws.lambda"}, {Key: "memory_mb", Value: int32(1024)}, {Key: "region", Value: "us-east-2"}}},
		{"azure", map[string]string{"FUNCTIONS_WORKER_RUNTIME": "node"}, bson.D{{Key: "name", Value: "azure.func"}}},
		{"gcp", map[string]string{"K_SERVICE": "servicename", "FUNCTION_MEMORY_MB": "1024", "FUNCTION_TIMEOUT_SEC": "60", "FUNCTION_REGION": "us-central1"},
			bson.D{{Key: "name", Value: "gcp.func"}, {Key: "timeout_sec", Value: int32(60)}, {Key: "memory_mb", Value: int32(1024)}, {Key: "region", Value: "us-central1"}}},
		{"vercel", map[string]string{"VERCEL": "1", "VERCEL_REGION": "cdg1"}, bson.D{{Key: "name", Value: "vercel"}, {Key: "region", Value: "cdg1"}}},
		{"vercel before lambda", map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_java8", "VERCEL": "1"}, bson.D{{Key: "name", Value: "vercel"}}},
		{"two providers", map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_java8", "FUNCTIONS_WORKER_RUNTIME": "node"}, nil},
		{"region too long", map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_java8", "AWS_REGION": strings.Repeat("a", 512)}, bson.D{{Key: "name", Value: "aws.lambda"}}},
		{"memory of wrong type", map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_java8", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "big"}, bson.D{{Key: "name", Value: "aws.lambda"}}},
		{"not lambda", map[string]string{"AWS_EXECUTION_ENV": "EC2"}, nil},
		{"kubernetes", map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_java8", "AWS_REGION": "us-east-2", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024", "KUBERNETES_SERVICE_HOST": "1"},
			bson.D{{Key: "name", Value: "aws.lambda"}, {Key: "memory_mb", Value: int32(1024)}, {Key: "region", Value: "us-east-2"}, {Key: "container", Value: bson.D{{Key: "orchestrator", Value: "kubernetes"}}}}},
	}
	noFiles := func(string) ([]byte, error) { return nil, os.ErrNotExist }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := readEnvironment(func(k string) string { return tt.env[k] }, noFiles)
			doc := metadataIn(env, "", "1", nil)
			if len(doc) > maxMetadata {
				t.Errorf("%d bytes", len(doc))
			}
			var got struct {
				Env bson.D `bson:"env"`
			}
			if err := bson.Unmarshal(doc, &got); err != nil {
				t.Fatal(err)
			}
			a, _ := bson.MarshalExtJSON(bson.D{{Key: "env", Value: got.Env}}, true, false)
			b, _ := bson.MarshalExtJSON(bson.D{{Key: "env", Value: tt.want}}, true, false)
			if string(a) != string(b) {
				t.Errorf("got %s, want %s", a, b)
			}
		})
	}
}

func TestMetadataSize(t *testing.T) {
	env := readEnvironment(func(string) string { return "" }, func(path string) ([]byte, error) {
		if path == "/etc/os-release" {
			return []byte("NAME=x\nPRETTY_NAME=\"An operating system\"\n"), nil
		}
		return nil, errors.New("no")
	})
	if env.osName != "An operating system" {
		t.Errorf("os name %q", env.osName)
	}
	long := strings.Repeat("x", 300)
	for _, wrappers := range [][]DriverInfo{
		nil, {{Name: "odm", Version: "2", Platform: "p"}}, {{Name: "odm", Platform: long}}, {{Name: long, Version: long, Platform: long}},
	} {
		doc := bson.Raw(metadataIn(env, strings.Repeat("a", 128), "1.0", wrappers))
		if len(doc) > maxMetadata {
			t.Errorf("%d bytes with %v", len(doc), wrappers)
		}
		if err := doc.Validate(); err != nil {
			t.Error(err)
		}
		if name, _ := doc.Lookup("driver", "name").StringValueOK(); !strings.HasPrefix(name, "mgx") {
			t.Errorf("driver name %q", name)
		}
		if osType, _ := doc.Lookup("os", "type").StringValueOK(); osType == "" {
			t.Error("no os.type")
		}
	}
	small := bson.Raw(metadataIn(env, "app", "1.0", []DriverInfo{{Name: "odm", Version: "2", Platform: "p"}}))
	if v, _ := small.Lookup("driver", "version").StringValueOK(); v != "1.0|2" {
		t.Errorf("driver version %q", v)
	}
}

// What is cut to the limit stays UTF-8, whatever it is cut at.
func TestMetadataCutInCharacters(t *testing.T) {
	for n := range 8 {
		for _, w := range []DriverInfo{
			{Name: "odm", Platform: strings.Repeat("x", n) + strings.Repeat("é", 300)},
			{Name: "odm", Version: strings.Repeat("x", n) + strings.Repeat("世", 300)},
		} {
			doc := bson.Raw(metadataIn(metadata{osType: "Linux"}, "", "1", []DriverInfo{w}))
			for _, path := range [][]string{{"platform"}, {"driver", "version"}} {
				if s, _ := doc.Lookup(path...).StringValueOK(); !utf8.ValidString(s) {
					t.Errorf("%d: %q is not UTF-8", n, s)
				}
			}
			if len(doc) > maxMetadata {
				t.Errorf("%d bytes", len(doc))
			}
		}
	}
}
