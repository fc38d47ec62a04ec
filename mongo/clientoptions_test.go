package mongo

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

func pointer[T any](v T) *T { return &v }

// TestClientOptions demands of each field of ClientOptions that it changes mgx's
// options, or is refused by name.
func TestClientOptions(t *testing.T) {
	base, err := clientOptions(options.Client().ApplyURI("mongodb://localhost:27017/?compressors=zlib,zstd"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := map[string]string{"BSONOptions": "TestHandles", "Registry": "TestHandles"}
	values := map[string]any{
		"AppName": pointer("app"), "Auth": &options.Credential{Username: "u", Password: "p"},
		"AutoEncryptionOptions": &options.AutoEncryptionOptions{}, "Compressors": []string{"snappy"}, "Dialer": &dialer{},
		"DriverInfo": &options.DriverInfo{Name: "n"}, "Hosts": []string{"other:1"}, "HTTPClient": &http.Client{Timeout: time.Second},
		"LoggerOptions": options.Logger(), "PoolMonitor": &event.PoolMonitor{Event: func(*event.PoolEvent) {}},
		"Monitor": &event.CommandMonitor{}, "ServerMonitor": &event.ServerMonitor{}, "ReadConcern": readconcern.Majority(),
		"ReadPreference": readpref.Nearest(), "ServerAPIOptions": options.ServerAPI(options.ServerAPIVersion1),
		"ServerMonitoringMode": pointer("poll"), "WriteConcern": writeconcern.Majority(), "TLSConfig": &tls.Config{},
		"MaxPoolSize": pointer(uint64(7)), "MinPoolSize": pointer(uint64(7)), "MaxConnecting": pointer(uint64(7)),
		"SRVMaxHosts": pointer(3), "ZlibLevel": pointer(3), "ZstdLevel": pointer(3), "MaxAdaptiveRetries": pointer(uint(3)),
		"DisableOCSPEndpointCheck": pointer(true), "DisableCertificateRevocationCheck": pointer(true),
		"Crypt": nil, "Deployment": nil, "Custom": nil,
	}
	typ := reflect.TypeFor[options.ClientOptions]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() || elsewhere[f.Name] != "" {
			continue
		}
		o := options.Client().ApplyURI("mongodb://localhost:27017/?compressors=zlib,zstd")
		v, ok := values[f.Name]
		if ok && v == nil {
			if unsupported["ClientOptions."+f.Name] == "" {
				t.Errorf("%s is not listed", f.Name)
			}
			continue // an interface of the driver's internals
		}
		if !ok {
			switch f.Type {
			case reflect.TypeFor[*time.Duration]():
				v = pointer(3 * time.Second)
			case reflect.TypeFor[*bool]():
				v = pointer(true)
			case reflect.TypeFor[*string]():
				v = pointer("text")
			}
		}
		if v == nil {
			t.Errorf("no value for %s", f.Name)
			continue
		}
		reflect.ValueOf(o).Elem().Field(i).Set(reflect.ValueOf(v))
		if strings.HasPrefix(f.Name, "Disable") {
			o.TLSConfig = &tls.Config{}
		}
		got, err := clientOptions(o)
		if unsupported["ClientOptions."+f.Name] != "" {
			if !errors.Is(err, mgx.ErrUnsupported) || !strings.Contains(err.Error(), "ClientOptions."+f.Name) {
				t.Errorf("%s: %v", f.Name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if o.TLSConfig != nil && f.Name != "TLSConfig" {
			if !got.TLS.DisableOCSPEndpointCheck && !got.TLS.DisableRevocationCheck {
				t.Errorf("%s changes nothing", f.Name)
			}
			continue
		}
		if reflect.DeepEqual(got, base) {
			t.Errorf("%s changes nothing", f.Name)
		}
	}
}

func TestClientOptionsOfURI(t *testing.T) {
	o, err := clientOptions(options.Client().ApplyURI("mongodb://u:p@a:1,b:2/db.with.dots?replicaSet=rs&maxPoolSize=0&timeoutMS=0&w=2&journal=true&authSource=x&readPreference=secondary&readPreferenceTags=a:b&maxStalenessSeconds=120"))
	if err != nil {
		t.Fatal(err)
	}
	c := o.Credential
	if strings.Join(o.Hosts, ",") != "a:1,b:2" || o.ReplicaSet != "rs" || *o.MaxPoolSize != 0 || o.Timeout != -1 ||
		c.Username != "u" || c.Password != "p" || c.Source != "x" || o.WriteConcern.W != 2 || !*o.WriteConcern.Journal ||
		o.ReadPreference.Mode != mgx.Secondary || o.ReadPreference.TagSets[0]["a"] != "b" || o.ReadPreference.MaxStaleness != 2*time.Minute {
		t.Errorf("%+v %+v", o, *c)
	}
}

func TestCredential(t *testing.T) {
	oidc := func(context.Context, *options.OIDCArgs) (*options.OIDCCredential, error) {
		soon := time.Now().Add(time.Hour)
		return &options.OIDCCredential{AccessToken: "token", ExpiresAt: &soon, RefreshToken: pointer("again")}, nil
	}
	values := map[string]any{
		"AuthMechanism": "PLAIN", "AuthMechanismProperties": map[string]string{"SERVICE_NAME": "x"}, "AuthSource": "db", "Username": "u",
		"Password": "p", "PasswordSet": true, "OIDCMachineCallback": options.OIDCCallback(oidc), "OIDCHumanCallback": options.OIDCCallback(oidc),
		"AWSCredentialsProvider": awsProvider{},
	}
	typ := reflect.TypeFor[options.Credential]()
	var base mgx.Options
	if err := setCredential(&base, &options.Credential{}); err != nil {
		t.Fatal(err)
	}
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		var c options.Credential
		reflect.ValueOf(&c).Elem().Field(i).Set(reflect.ValueOf(values[name]))
		var o mgx.Options
		if err := setCredential(&o, &c); err != nil {
			t.Fatal(err)
		}
		if reflect.DeepEqual(o.Credential, base.Credential) {
			t.Errorf("%s changes nothing", name)
		}
		if name == "OIDCHumanCallback" {
			token, err := o.Credential.OIDCHumanCallback(t.Context(), mgx.OIDCArgs{Version: 1, IDP: &mgx.OIDCProvider{Issuer: "i"}})
			if err != nil || token.AccessToken != "token" || token.RefreshToken != "again" || token.ExpiresIn < 50*time.Minute {
				t.Errorf("%+v %v", token, err)
			}
		}
		if name == "AWSCredentialsProvider" {
			creds, err := o.Credential.AWSProvider(t.Context())
			if err != nil || creds.AccessKeyID != "id" || creds.SecretAccessKey != "secret" || creds.SessionToken != "session" || creds.Expires.IsZero() {
				t.Errorf("%+v %v", creds, err)
			}
		}
	}
}

type awsProvider struct{}

func (awsProvider) Retrieve(context.Context) (options.AWSCredentials, error) {
	return options.AWSCredentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "session", CanExpire: true, Expires: time.Unix(1, 0)}, nil
}

// dialer counts what it dials.
type dialer struct{ net.Dialer }

func TestSessionOptions(t *testing.T) {
	ours, err := Connect(options.Client().ApplyURI("mongodb://127.0.0.1:1/"))
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Disconnect(t.Context())
	transaction := options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.Primary())
	for name, o := range map[string]*options.SessionOptionsBuilder{
		"CausalConsistency": options.Session().SetCausalConsistency(false),
		"Snapshot":          options.Session().SetSnapshot(true),
		"SnapshotTime":      options.Session().SetSnapshot(true).SetSnapshotTime(bson.Timestamp{T: 5}),
		"Transactions":      options.Session().SetDefaultTransactionOptions(transaction),
	} {
		s, err := ours.StartSession(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := s.mgx.Options()
		switch name {
		case "CausalConsistency":
			if got.CausalConsistency == nil || *got.CausalConsistency {
				t.Error(name)
			}
		case "Snapshot":
			if !got.Snapshot {
				t.Error(name)
			}
		case "SnapshotTime":
			if got.SnapshotTime.T != 5 {
				t.Error(name)
			}
		default:
			tx := got.Transactions
			if tx.ReadConcern != "snapshot" || tx.WriteConcern.W != "majority" || tx.ReadPreference.Mode != mgx.Primary {
				t.Errorf("%+v", tx)
			}
		}
		s.EndSession(t.Context())
	}
}

// TestZeroValues uses values that tests of programs make, without a server.
func TestZeroValues(t *testing.T) {
	ctx := t.Context()
	client := &Client{}
	coll := client.Database("d").Collection("c").Clone()
	if coll.Name() != "c" || coll.Database().Name() != "d" || coll.Database().Client() != client || (&Collection{}).Name() != "" {
		t.Error(coll)
	}
	cursor := func(_ *Cursor, err error) error { return err }
	_, sessionErr := client.StartSession()
	_, watchErr := coll.Watch(ctx, nil)
	_, insertErr := (&Collection{}).InsertOne(ctx, bson.D{})
	_, uploadErr := client.Database("d").GridFSBucket().OpenUploadStream(ctx, "f")
	for i, err := range []error{
		client.Ping(ctx, nil), client.Disconnect(ctx), sessionErr, watchErr, insertErr, uploadErr, cursor(coll.Find(ctx, bson.D{})),
		coll.FindOne(ctx, bson.D{}).Err(), coll.Drop(ctx), (&Database{}).Drop(ctx), cursor(coll.Indexes().List(ctx)),
	} {
		if !errors.Is(err, ErrClientDisconnected) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
